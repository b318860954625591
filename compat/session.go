package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// features are what a client can try besides errors, in the order of the table.
var features = []struct{ Name, Says string }{
	{"chat", "chat completion"},
	{"chat_stream", "chat completion, streamed, with its usage"},
	{"tools", "tool: the call, its result, the answer"},
	{"tools_stream", "the same, the call streamed"},
	{"structured", "structured output"},
	{"embeddings", "embeddings"},
	{"responses", "response"},
	{"responses_stream", "response, streamed"},
	{"responses_tools", "response with a tool, its call streamed"},
	{"messages", "message"},
	{"messages_stream", "message, streamed"},
	{"count_tokens", "count of tokens"},
	{"models", "list of models"},
	{"model", "one model"},
	{"cost", "`x-aurea-cost-usd` read from the answer"},
}

// result is what a client says of one check, and what was counted meanwhile.
type result struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"` // a feature works; a call that fails succeeded
	Detail string `json:"detail"`
	// What the SDK raised.
	Class   string `json:"class"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`

	Requests, Sent int64 `json:"-"`
}

// report is what came of one client.
type report struct {
	Client  *client
	Skipped string
	Version string
	Results map[string]result
	Wrong   []string
	Took    time.Duration
}

func (r *report) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// session is the side of the runner that a client talks to.
type session struct {
	*report
	w   *world
	ctx context.Context //nolint:containedctx // of the run

	mu               sync.Mutex
	check            string
	requests, served int64  // before the check
	aside            func() // ends a call of our own that is under way
}

func (r *report) run(ctx context.Context, aurea string, in *installed) {
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	r.Results = map[string]result{}
	w, err := newWorld(ctx, aurea)
	if err != nil {
		r.wrong("%v", err)
		return
	}
	defer w.close()
	s := &session{report: r, w: w, ctx: ctx}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		r.wrong("%v", err)
		return
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	args := r.Client.Command(in)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) // #nosec G204 -- our own programs
	cmd.Dir, cmd.WaitDelay = w.dir, 5*time.Second
	cmd.Env = append(environment(w), "COMPAT_CONTROL=http://"+listener.Addr().String(), "COMPAT_FORMAT="+r.Client.Format)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if len(out) > 4000 {
			out = out[len(out)-4000:]
		}
		r.wrong("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range troubles {
		if _, ok := r.Results[troubles[i].Name]; !ok {
			r.wrong("%s was not tried", troubles[i].Name)
		}
	}
	if r.Version == "" {
		r.wrong("it says no version")
	}
}

// environment is that of a client: its SDK finds the gateway by the variables that it knows, and no key.
func environment(w *world) []string {
	return append(os.Environ(),
		"OPENAI_BASE_URL="+w.url+"/v1", "OPENAI_API_KEY=unused", "ANTHROPIC_BASE_URL="+w.url, "ANTHROPIC_API_KEY=unused",
		"ANTHROPIC_AUTH_TOKEN=", "OPENAI_ORG_ID=", "OPENAI_PROJECT_ID=", "NO_PROXY=127.0.0.1", "PYTHONDONTWRITEBYTECODE=1", "LANGSMITH_TRACING=false",
	)
}

// handler answers what clients ask: which errors to try, the scenario of a check, and takes the result.
func (s *session) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, do func(r result) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			var asked result
			if req.Method == http.MethodPost {
				if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 1<<20)).Decode(&asked); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
			}
			a, err := do(asked)
			if err != nil {
				s.wrong("%s: %v", asked.Check, err)
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(a)
		})
	}
	answer("POST /version", func(r result) (any, error) {
		s.Version = r.Detail
		return struct{}{}, nil
	})
	answer("GET /errors", func(result) (any, error) {
		names := []string{}
		for i := range troubles {
			names = append(names, troubles[i].Name)
		}
		return names, nil
	})
	answer("POST /begin", s.begin)
	answer("POST /end", s.end)
	return mux
}

func (s *session) begin(r result) (any, error) {
	todo := scenario{Model: "gpt-4o-mini", Headers: map[string]string{}, Prompt: "Name a river.", MaxTokens: 50}
	if s.Client.Format == "anthropic" {
		todo.Model = "claude-haiku-4-5"
	}
	if i := find(r.Check); i >= 0 {
		if err := troubles[i].Set(s.ctx, s.w, s.Client.Format, &todo); err != nil {
			return nil, err
		}
	}
	s.check, s.aside = r.Check, todo.aside
	var err error
	s.requests, s.served, err = s.settled()
	return todo, err
}

// settled is how many calls were counted once no more are: a call is counted after its answer has gone out.
func (s *session) settled() (requests, served int64, err error) {
	for same := 0; same < 3; {
		r, v, err := s.w.counts()
		if err != nil {
			return 0, 0, err
		}
		if same++; r != requests || v != served {
			requests, served, same = r, v, 0
		}
		pause(s.ctx, 10*time.Millisecond)
	}
	return requests, served, nil
}

func find(check string) int {
	return slices.IndexFunc(troubles, func(t trouble) bool { return t.Name == check })
}

func (s *session) end(r result) (any, error) {
	if r.Check != s.check || r.Check == "" {
		return nil, fmt.Errorf("%q ends, but %q began", r.Check, s.check)
	}
	s.check = ""
	i := find(r.Check)
	if i < 0 {
		if !r.OK {
			s.wrong("%s: %s", r.Check, r.Detail)
		}
		s.Results[r.Check] = r
		return struct{}{}, nil
	}
	t := &troubles[i]
	if t.Ends {
		r.Requests, r.Sent = 1, 1 // those that count them are gone
	} else if err := s.count(&r, t); err != nil {
		return nil, err
	}
	s.Results[r.Check] = r
	if err := t.judge(&r, s.Client.Official); err != nil {
		s.wrong("%s: %v: %+v", r.Check, err, r)
	}
	return struct{}{}, nil
}

// count waits until the requests of a check are counted.
func (s *session) count(r *result, t *trouble) error {
	var own int64
	if s.aside != nil {
		s.aside()
		own = 1 // at the provider it came before the check
	}
	for deadline := time.Now().Add(5 * time.Second); ; {
		requests, served, err := s.settled()
		if err != nil {
			return err
		}
		r.Requests, r.Sent = requests-s.requests-own, served-s.served
		if r.Requests >= t.Requests && r.Sent >= t.Sent || time.Now().After(deadline) {
			return nil
		}
	}
}

// judge says what is not as it should be.
func (t *trouble) judge(r *result, official bool) error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if t.Status == 0 {
		want(r.OK, "the call does not succeed in the end")
	} else {
		want(!r.OK && r.Class != "", "nothing is raised")
		want(t.Status < 300 || r.Status == t.Status || !official && r.Status == 0, "status %d, want %d", r.Status, t.Status)
		want(r.Code == "" || r.Code == t.Code || t.Code == "", "code %q, want %q", r.Code, t.Code)
		want(!official || t.Code == "" || t.Status < 300 || r.Code == t.Code, "code %q, want %q", r.Code, t.Code)
		want(r.Message != "", "no message")
	}
	if official || t.Code == "budget_exceeded" {
		want(r.Requests == t.Requests, "%d requests, want %d", r.Requests, t.Requests)
		want(r.Sent == t.Sent, "%d of them at the provider, want %d", r.Sent, t.Sent)
	}
	return errors.Join(errs...)
}
