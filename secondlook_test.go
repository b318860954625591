package aurea_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/tokens"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// withTokenizer wires the tokenizer in, as package setup does.
func withTokenizer(c *aurea.Config) {
	c.Tokenizer = tokens.For
}

// agent is a program whose context grows with each turn: a system prompt, tools, and messages that it sends again and again.
type agent struct {
	api      usage.API
	model    string
	stream   bool
	messages []map[string]any
	system   string
	tools    int
	cap      int // 0: none
	header   http.Header
	rng      *rand.Rand

	counted int64 // tokens of the turn before, which the provider has in its cache
}

var words = strings.Fields("the of a to in is that for it as was with be by on not he his but at are this have from or had an they which one you were her all their there been if more when will would who so no said what its about")

// text is prose of about that many bytes.
func (a *agent) text(size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(words[a.rng.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()
}

func (a *agent) say(role, text string) {
	m := map[string]any{"role": role, "content": text}
	if a.api == usage.Messages {
		m["content"] = []map[string]any{{"type": "text", "text": text}}
	}
	a.messages = append(a.messages, m)
}

// body is the next request. Anthropic's clients mark the last message as the place up to which to cache, and move the mark each turn.
func (a *agent) body() []byte {
	r := map[string]any{"model": a.model}
	list, limit := "messages", "max_completion_tokens"
	switch a.api {
	case usage.Messages:
		limit = "max_tokens"
		r["system"] = a.system
	case usage.Responses:
		list, limit = "input", "max_output_tokens"
		r["instructions"] = a.system
	}
	if a.cap > 0 {
		r[limit] = a.cap
	}
	if a.stream {
		r["stream"] = true
	}
	for i := range a.tools {
		r["tools"] = append(asList(r["tools"]), map[string]any{"type": "function", "name": fmt.Sprintf("tool_%d", i), "description": a.system[:min(200, len(a.system))]})
	}
	messages := slices.Clone(a.messages)
	if a.api == usage.Messages {
		delete(r, "tools")
		last := messages[len(messages)-1]
		blocks, _ := last["content"].([]map[string]any)
		marked := map[string]any{"type": "text", "text": blocks[0]["text"], "cache_control": map[string]any{"type": "ephemeral", "ttl": "1h"}}
		messages[len(messages)-1] = map[string]any{"role": last["role"], "content": []map[string]any{marked}}
	}
	if a.api == usage.Chat {
		messages = append([]map[string]any{{"role": "system", "content": a.system}}, messages...)
	}
	r[list] = messages
	raw, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return raw
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// size is about how long the request is.
func (a *agent) size() int {
	n := len(a.system) + 200
	for _, m := range a.messages {
		if text, ok := m["content"].(string); ok {
			n += len(text) + 30
		} else if blocks, ok := m["content"].([]map[string]any); ok {
			n += len(blocks[0]["text"].(string)) + 55
		}
	}
	return n
}

// usage is what a provider would count: a token for each four bytes, of which it had those of the turn before in its cache.
func (a *agent) usage(output int64) aurea.Usage {
	n := int64(a.size()) / 4
	u := aurea.Usage{CacheRead: min(a.counted, n), Output: output, Complete: true, Model: a.model}
	if u.Input = n - u.CacheRead; a.api == usage.Messages {
		u.Input, u.CacheWrite = 0, u.Input
	}
	a.counted = n
	return u
}

var endpoints = map[usage.API]string{usage.Chat: "/v1/chat/completions", usage.Messages: "/v1/messages", usage.Responses: "/v1/responses"}

// turn makes one call whose answer is scripted.
func (a *agent) turn(t *testing.T, orch *aureatest.Orchestrator, job *aurea.Job) (*aurea.Answer, error) {
	t.Helper()
	output := int64(300)
	if a.cap > 0 {
		output = min(output, int64(a.cap))
	}
	before := a.counted
	u := a.usage(output)
	reply := a.text(int(output))
	var step aureatest.Step
	if a.stream {
		step = aureatest.Streams(a.api, u, reply)
	} else {
		step = aureatest.Says(a.api, reply, u)
	}
	step.Endpoint = endpoints[a.api]
	orch.Provider.Script(step)
	answer, err := orch.Do(t.Context(), aurea.Call{Job: job, API: a.api, Body: a.body(), Header: a.header})
	if err == nil {
		a.say("assistant", reply)
	} else { // the step must not be there for the next request
		a.counted = before
		a.skip(t, orch)
	}
	return answer, err
}

// skip takes the next scripted answer away.
func (a *agent) skip(t *testing.T, orch *aureatest.Orchestrator) {
	t.Helper()
	body := `{"model":"` + a.model + `","max_tokens":50,"messages":[{"role":"user","content":"x"}]}`
	if a.api == usage.Responses {
		body = `{"model":"` + a.model + `","input":"x"}`
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://provider.invalid"+endpoints[a.api], strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Authorization": "Bearer k", "x-api-key": "k", "anthropic-version": "2023-06-01"} {
		req.Header.Set(name, value)
	}
	resp, err := orch.Provider.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the scripted answer was not taken: %s", resp.Status)
	}
}

// An agent whose context grows to 400 kB, at turns of a few cents, goes on for dozens of turns under five dollars; with bounds by bytes alone it is locked out
// long before.
// Neither spends more than its limit.
func TestAnAgentWithALongContextGoesOn(t *testing.T) {
	t.Parallel()
	limit := 5 * aurea.Dollar
	for _, c := range []struct {
		name   string
		api    usage.API
		model  string
		stream bool
		share  int // of five dollars and of 400 kB, one in so many: the race detector is slow
	}{
		{"messages", usage.Messages, "claude-opus-4-5", false, 1},
		{"messages, streamed", usage.Messages, "claude-opus-4-5", true, 8},
		{"chat", usage.Chat, "gpt-5.5", false, 8},
		{"chat, streamed", usage.Chat, "gpt-5.5", true, 8},
		{"responses", usage.Responses, "gpt-5.5", false, 8},
	} {
		limit, most := limit/aurea.USD(c.share), 400_000/c.share
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := func(proven bool) (turns, long int, spent money.Sum) {
				orch := aureatest.New(t, withTokenizer, func(cfg *aurea.Config) { cfg.ProvenBound = proven })
				job, err := orch.Job("agent", limit)
				if err != nil {
					t.Fatal(err)
				}
				a := &agent{api: c.api, model: c.model, stream: c.stream, cap: 2000 / c.share, tools: 5, rng: rand.New(rand.NewPCG(1, 2))}
				a.system = a.text(most / 100)
				a.say("user", a.text(most/20))
				for turns < 48 {
					size := a.size()
					answer, err := a.turn(t, orch, job)
					if aurea.ErrorCode(err) == aurea.CodeBudgetExceeded {
						break
					}
					if err != nil || !answer.OK() {
						t.Fatalf("turn %d: %v, %+v", turns, err, answer)
					}
					if turns++; size > most*9/10 {
						long++
					}
					if size < most {
						a.say("user", a.text(most/16))
					} else {
						a.say("user", "Go on.")
					}
				}
				for _, row := range orch.Booked(t, job) {
					if row.Cost > row.Bound {
						t.Errorf("attempt at %s (%s) cost %s", row.Bound, row.BoundKind, row.Cost)
					}
					if proven && row.BoundKind != usage.BoundBytes {
						t.Errorf("bound by %s", row.BoundKind)
					}
				}
				return turns, long, job.Status().CostSummary.TotalCost
			}
			turns, long, spent := run(false)
			if turns < 30 || long < 18 || spent.Cmp(money.SumOf(limit)) > 0 {
				t.Errorf("%d turns, %d of them long, for $%s", turns, long, spent)
			}
			early, _, little := run(true)
			if early >= turns || little.Cmp(spent) >= 0 {
				t.Errorf("with bounds by bytes %d turns for $%s, else %d for $%s", early, little, turns, spent)
			}
			t.Logf("%d turns for $%s, %d of them with 400 kB; with bounds by bytes %d for $%s", turns, spent, long, early, little)
		})
	}
}

// one makes one call of a new job with that limit, and says which bound it had.
func one(t *testing.T, orch *aureatest.Orchestrator, limit string, call aurea.Call) (answer *aurea.Answer, kind string, err error) {
	t.Helper()
	job, err := orch.Job(fmt.Sprintf("j%d", rand.Uint64()), money.MustParse(limit))
	if err != nil {
		t.Fatal(err)
	}
	call.Job = job
	if answer, err = orch.Do(t.Context(), call); err != nil {
		return nil, "", err
	}
	rows := orch.Booked(t, job)
	row := rows[len(rows)-1]
	if row.Cost > row.Bound {
		t.Errorf("cost %s of %s", row.Cost, row.Bound)
	}
	return answer, row.BoundKind, nil
}

// prose is a request with so many bytes of text.
func prose(api usage.API, model string, size, outputCap int) []byte {
	a := &agent{api: api, model: model, cap: outputCap, rng: rand.New(rand.NewPCG(3, 4))}
	a.say("user", a.text(size))
	return a.body()
}

func paths(orch *aureatest.Orchestrator) map[string]int {
	all := make(map[string]int)
	for _, r := range slices.Concat(orch.Provider.Requests(), orch.Provider.Counts()) {
		all[r.Path]++
	}
	return all
}

const countPath = "/v1/messages/count_tokens"

// Where nothing of the conversation is known, the provider is asked, which is no attempt and costs nothing.
func TestTheProviderCounts(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t)
	call := aurea.Call{API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 100_000, 100)} // $1 by bytes, $0.26 by the provider
	if _, kind, err := one(t, orch, "2", call); err != nil || kind != usage.BoundBytes {
		t.Errorf("%s, %v", kind, err)
	}
	if got := paths(orch); got[countPath] != 0 {
		t.Error("asked without need")
	}
	answer, kind, err := one(t, orch, "0.5", call)
	if err != nil || kind != usage.BoundProvider || answer.Attempts != 1 {
		t.Errorf("%s, %v, %+v", kind, err, answer)
	}
	if got := paths(orch); got[countPath] != 1 || got["/v1/messages"] != 2 {
		t.Errorf("requests %v", got)
	}
	if _, _, err := one(t, orch, "0.2", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
		t.Errorf("held at less than what the provider counts: %v", err)
	}
	if _, _, err := one(t, orch, "0.0001", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
		t.Errorf("held at less than the answer alone may cost: %v", err)
	}
	if got := paths(orch); got[countPath] != 2 {
		t.Errorf("asked in vain: %v", got)
	}
	proven := aureatest.New(t, func(c *aurea.Config) { c.ProvenBound = true })
	if _, _, err := one(t, proven, "0.5", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
		t.Errorf("proven: %v", err)
	}
	if got := paths(proven); len(got) != 0 {
		t.Errorf("requests %v", got)
	}
}

// An endpoint that fails is passed over; one that is not there is not asked again.
func TestTheProviderDoesNotCount(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusInternalServerError, http.StatusTooManyRequests} {
		orch := aureatest.New(t)
		orch.Provider.Script(aureatest.Step{Endpoint: countPath, Status: status, Times: -1})
		call := aurea.Call{API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 100_000, 100)}
		for range 3 {
			if _, _, err := one(t, orch, "0.5", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
				t.Errorf("%d: %v", status, err)
			}
		}
		if got := paths(orch); got[countPath] != 1 || got["/v1/messages"] != 0 {
			t.Errorf("%d: requests %v", status, got)
		}
	}
	orch := aureatest.New(t)
	var body map[string]any
	if err := json.Unmarshal(prose(usage.Messages, "claude-opus-4-5", 100_000, 100), &body); err != nil {
		t.Fatal(err)
	}
	body["container"] = "c_1" // the count would not see what is in it
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := one(t, orch, "0.5", aurea.Call{API: usage.Messages, Body: raw}); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded || len(paths(orch)) != 0 {
		t.Errorf("%v, requests %v", err, paths(orch))
	}
	if _, kind, err := one(t, orch, "0.5", aurea.Call{API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 100_000, 100)}); err != nil || kind != usage.BoundProvider {
		t.Errorf("a request without it, after that: %s, %v", kind, err)
	}
}

// A count that cannot be one of the input is not believed.
func TestTheProviderCountsTooLittle(t *testing.T) {
	t.Parallel()
	call := aurea.Call{API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 100_000, 100)}
	for _, counted := range []string{"0", "1", "-5", "5000", "1e3", "1.5", "null", `"9"`, "2e12", "99999999999999999999"} {
		orch := aureatest.New(t)
		orch.Provider.Script(aureatest.Step{Endpoint: countPath, Status: 200, Body: json.RawMessage(`{"input_tokens":` + counted + `}`), Times: -1})
		if _, kind, err := one(t, orch, "0.5", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
			t.Errorf("%s tokens: %s, %v", counted, kind, err)
		}
	}
}

// Pages in line are held at the whole window, until the provider has counted them.
func TestTheProviderCountsPages(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t)
	const model = "claude-opus-4-5" // whose window is $1
	first := `{"model":"` + model + `","max_tokens":100,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"` + strings.Repeat("A", 4000) + `"}}]}`
	next := `,{"role":"assistant","content":"Read."},{"role":"user","content":"And now?"}`
	if _, kind, err := one(t, orch, "3", aurea.Call{API: usage.Messages, Body: []byte(first + `]}`)}); err != nil || kind != usage.BoundContext {
		t.Errorf("%s, %v", kind, err)
	}
	job, err := orch.Job("pages", 50*aurea.Cent)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range []string{first + `]}`, first + next + `]}`} {
		if _, err := orch.Do(t.Context(), aurea.Call{Job: job, API: usage.Messages, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		if kind := orch.Booked(t, job)[i].BoundKind; kind != []string{usage.BoundProvider, usage.BoundPrefix}[i] {
			t.Errorf("turn %d is bounded by %s", i, kind)
		}
	}
}

// For models of OpenAI's there is a tokenizer. For others it says nothing.
func TestATokenizerCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api   usage.API
		model string
		limit string
		want  string // kind, or code
	}{
		{usage.Chat, "gpt-4.1", "0.4", usage.BoundBytes}, // 0.2 by bytes, 0.05 by tokens
		{usage.Chat, "gpt-4.1", "0.1", usage.BoundTokenizer},
		{usage.Responses, "gpt-4.1", "0.1", usage.BoundTokenizer},
		{usage.Chat, "gpt-4.1", "0.03", "budget_exceeded"},
		{usage.Chat, aureatest.Model, "0.05", "budget_exceeded"},
	} {
		orch := aureatest.New(t, withTokenizer)
		_, kind, err := one(t, orch, c.limit, aurea.Call{API: c.api, Body: prose(c.api, c.model, 100_000, 100)})
		if err != nil {
			kind = string(aurea.ErrorCode(err))
		}
		if kind != c.want {
			t.Errorf("%s %s with $%s: %s, want %s (%v)", c.api, c.model, c.limit, kind, c.want, err)
		}
	}
}

// A second look leaves more for the answer: the cap that is put into the request is chosen again.
func TestTheCapIsChosenAgain(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t, withTokenizer)
	call := aurea.Call{API: usage.Chat, Body: prose(usage.Chat, "gpt-4.1", 100_000, 0)} // $0.2 by bytes, $0.05 by tokens
	answer, kind, err := one(t, orch, "0.1", call)
	if err != nil || kind != usage.BoundTokenizer || answer.InjectedCap != 1024 {
		t.Fatalf("%s, %v, %+v", kind, err, answer)
	}
	sent := orch.Provider.Requests()
	if body := string(sent[len(sent)-1].Body); strings.Count(body, "max_") != 1 {
		t.Errorf("caps in %s", body[len(body)-100:])
	}
	// An eighth of what is free is a share. By what is left of $0.2 the input does not fit, and the cap would be the floor; by tokens of the beginning that is known it is a
	// fraction of the share.
	job, err := orch.Job("cap", money.MustParse("0.3"))
	if err != nil {
		t.Fatal(err)
	}
	orch.Provider.Script(aureatest.Says(usage.Chat, "x", aurea.Usage{Input: 8000, Output: 6250}), aureatest.Says(usage.Chat, "x", aurea.Usage{Input: 8000, Output: 10}))
	for range 2 {
		if answer, err = orch.Do(t.Context(), aurea.Call{Job: job, API: usage.Chat, Body: prose(usage.Chat, "gpt-4.1", 120_000, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if kind = orch.Booked(t, job)[1].BoundKind; kind != usage.BoundPrefix || answer.InjectedCap <= 1500 {
		t.Fatalf("%s, %v, %+v", kind, err, answer)
	}
}

// A provider that bills more than a second look found ends the second looks at that model.
func TestABillPastTheSecondLookEndsIt(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t, withTokenizer)
	call := aurea.Call{API: usage.Chat, Body: prose(usage.Chat, "gpt-4.1", 100_000, 100)}
	orch.Provider.Script(aureatest.Says(usage.Chat, "x", aurea.Usage{Input: 60_000, Output: 10}))
	job, err := orch.Job("over", money.MustParse("0.1"))
	if err != nil {
		t.Fatal(err)
	}
	call.Job = job
	if _, err := orch.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if row := orch.Booked(t, job)[0]; row.Cost <= row.Bound || row.BoundKind != usage.BoundTokenizer {
		t.Errorf("%+v", row)
	}
	if _, _, err := one(t, orch, "0.1", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
		t.Errorf("a second look again: %v", err)
	}
	if _, kind, err := one(t, orch, "1", call); err != nil || kind != usage.BoundBytes {
		t.Errorf("%s, %v", kind, err)
	}
	other := aurea.Call{API: usage.Chat, Body: prose(usage.Chat, "gpt-4o", 100_000, 100)}
	if _, kind, err := one(t, orch, "0.1", other); err != nil || kind != usage.BoundTokenizer {
		t.Errorf("another model: %s, %v", kind, err)
	}
}

// A count that leaves out what was cached is not taken for a bound.
func TestACountWithoutTheCacheIsNotKnown(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t)
	job, err := orch.Job("cached", money.MustParse("0.3"))
	if err != nil {
		t.Fatal(err)
	}
	orch.Provider.Script(aureatest.Says(usage.Chat, "x", aurea.Usage{Input: 50, Output: 12_500}))
	call := aurea.Call{Job: job, API: usage.Chat, Body: prose(usage.Chat, "gpt-4.1", 120_000, 500)}
	if _, err := orch.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if _, err := orch.Do(t.Context(), call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
		t.Errorf("%v, bounded by %s", err, orch.Booked(t, job)[1].BoundKind)
	}
}

// What is known of one conversation says nothing of another: of another job, model, system prompt or beginning.
func TestAnotherConversationIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(a *agent, job func(string) *aurea.Job) *aurea.Job // nil: the same job
		known  bool
	}{
		{"the next turn", nil, true},
		{"another last message", func(a *agent, _ func(string) *aurea.Job) *aurea.Job {
			a.messages[2] = a.messages[4]
			a.messages = a.messages[:3]
			return nil
		}, true},
		{"another cap", func(a *agent, _ func(string) *aurea.Job) *aurea.Job { a.cap++; return nil }, true},
		{"another job", func(_ *agent, job func(string) *aurea.Job) *aurea.Job { return job("second") }, false},
		{"another system prompt", func(a *agent, _ func(string) *aurea.Job) *aurea.Job { a.system += "."; return nil }, false},
		{"another beginning", func(a *agent, _ func(string) *aurea.Job) *aurea.Job { a.messages[0] = a.messages[1]; return nil }, false},
		{"another version", func(a *agent, _ func(string) *aurea.Job) *aurea.Job {
			a.header = http.Header{"Anthropic-Beta": {"x"}}
			return nil
		}, false},
		{"another model", func(a *agent, _ func(string) *aurea.Job) *aurea.Job { a.model = "claude-opus-4-6"; return nil }, false},
	} {
		orch := aureatest.New(t)
		orch.Provider.Script(aureatest.Step{Endpoint: countPath, Status: http.StatusNotFound, Times: -1})
		job := func(name string) *aurea.Job {
			j, err := orch.Job(name, money.MustParse("0.30"))
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		a := &agent{api: usage.Messages, model: "claude-opus-4-5", cap: 100, rng: rand.New(rand.NewPCG(5, 6))}
		a.system = a.text(500)
		a.say("user", a.text(20_000)) // a cent per 1,000 bytes, a fourth of that by the provider's count
		a.say("assistant", "Go on.")
		a.say("user", "Yes.")
		first := job("first")
		if _, err := a.turn(t, orch, first); err != nil {
			t.Fatal(err)
		}
		a.say("user", a.text(8_000))
		next := first
		if c.change != nil {
			if other := c.change(a, job); other != nil {
				next = other
				for range 3 { // until as much is spent as of the first
					_, _ = orch.Do(t.Context(), aurea.Call{Job: other, API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 2_000, 100)})
				}
			}
		}
		if c.name == "another beginning" {
			a.messages = append(a.messages[:1:1], append([]map[string]any{{"role": "user", "content": []map[string]any{{"type": "text", "text": a.text(20_000)}}}}, a.messages[1:]...)...)
		}
		answer, err := a.turn(t, orch, next)
		if known := err == nil && answer.OK(); known != c.known || !known && aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.known {
			continue
		}
		if rows := orch.Booked(t, next); rows[len(rows)-1].BoundKind != usage.BoundPrefix {
			t.Errorf("%s: bound by %s", c.name, rows[len(rows)-1].BoundKind)
		}
	}
}

// Whatever an agent does, and whatever vocabulary its provider has, nothing costs more than its bound, and all together no more than the limit.
func TestNoTurnCostsMoreThanItsBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		orch := aureatest.New(t, withTokenizer)
		limit := money.USD(rapid.Int64Range(1, 40).Draw(r, "cents")) * aurea.Cent
		job, err := orch.Job("agent", limit)
		if err != nil {
			r.Fatal(err)
		}
		a := &agent{
			api: rapid.SampledFrom([]usage.API{usage.Chat, usage.Messages, usage.Responses}).Draw(r, "api"), model: "claude-opus-4-5",
			cap: rapid.SampledFrom([]int{0, 50, 2000}).Draw(r, "cap"), tools: rapid.IntRange(0, 3).Draw(r, "tools"), rng: rand.New(rand.NewPCG(7, rapid.Uint64().Draw(r, "seed"))),
		}
		if a.api != usage.Messages {
			a.model = rapid.SampledFrom([]string{"gpt-5.5", "gpt-4.1", aureatest.Model}).Draw(r, "model")
		}
		a.system = a.text(rapid.IntRange(0, 3000).Draw(r, "system"))
		for range rapid.IntRange(1, 6).Draw(r, "turns") {
			a.say("user", a.text(rapid.IntRange(1, 8_000).Draw(r, "size")))
			if rapid.IntRange(0, 9).Draw(r, "changes") == 0 {
				a.messages[rapid.IntRange(0, len(a.messages)-1).Draw(r, "which")] = a.messages[0]
			}
			if _, err := a.turn(t, orch, job); err != nil && aurea.ErrorCode(err) != aurea.CodeBudgetExceeded {
				r.Fatal(err)
			}
		}
		for _, row := range orch.Booked(t, job) {
			if row.Cost > row.Bound {
				r.Fatalf("%s cost %s of a bound by %s of %s", row.ID, row.Cost, row.BoundKind, row.Bound)
			}
		}
		if spent := job.Status().CostSummary.TotalCost; spent.Cmp(money.SumOf(limit)) > 0 {
			r.Fatalf("$%s of $%s", spent, limit)
		}
	})
}

// An item of a batch is bounded by what is known here; nobody is asked.
func TestItemsAskNobody(t *testing.T) {
	t.Parallel()
	orch := aureatest.New(t, withTokenizer)
	call := aurea.Call{API: usage.Messages, Body: prose(usage.Messages, "claude-opus-4-5", 100_000, 100), Item: &aurea.Item{Complete: func(*aurea.Answer, time.Time) *store.Completion { return nil }}}
	if _, _, err := one(t, orch, "0.5", call); aurea.ErrorCode(err) != aurea.CodeBudgetExceeded || len(paths(orch)) != 0 {
		t.Errorf("%v, requests %v", err, paths(orch))
	}
	call.API, call.Body = usage.Chat, prose(usage.Chat, "gpt-4.1", 100_000, 100)
	if _, kind, err := one(t, orch, "0.1", call); err != nil || kind != usage.BoundTokenizer {
		t.Errorf("%s, %v", kind, err)
	}
}

// What a second look costs a call of 400 kB whose bound does not fit, and what noting a count costs.
func BenchmarkSecondLook(b *testing.B) {
	a := &agent{api: usage.Chat, model: "gpt-5.5", rng: rand.New(rand.NewPCG(8, 9))}
	for range 40 {
		a.say("user", a.text(10_000))
	}
	body := a.body()
	b.Run("outline", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := usage.ReadOutline(usage.Chat, "openai", body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) { // of the same bytes, and nothing with it
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			var request struct {
				Messages []struct {
					Role, Content string
				}
			}
			if err := json.Unmarshal(body, &request); err != nil {
				b.Fatal(err)
			}
		}
	})
	outline, err := usage.ReadOutline(usage.Chat, "openai", body)
	if err != nil {
		b.Fatal(err)
	}
	price, err := pricing.Embedded().Lookup("openai", "gpt-5.5", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	ends := outline.Ends(1)
	b.Run("prefix", func(b *testing.B) {
		known := map[usage.PrefixID]usage.Known{ends[0]: {Tokens: 1, Whole: true}}
		for b.Loop() {
			if _, _, ok := outline.Bound(price, func(id usage.PrefixID) (usage.Known, bool) { k, ok := known[id]; return k, ok }); !ok {
				b.Fatal("not known")
			}
		}
	})
	b.Run("tokenizer", func(b *testing.B) {
		count, _ := tokens.For("gpt-5.5")
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if outline.Tokenized(0, count) == 0 {
				b.Fatal("nothing counted")
			}
		}
	})
}

// A provider whose account is set up for priority bills it unasked: once past the bound, and then within it, however large the call.
func TestPriorityUnasked(t *testing.T) {
	t.Parallel()
	p := &scripted{name: "p"}
	priority := func(tokens int) func(*aurea.Request) *aurea.Response {
		return func(*aurea.Request) *aurea.Response {
			return &aurea.Response{Status: 200, Body: fmt.Appendf(nil, `{"choices":[],"service_tier":"priority","usage":{"prompt_tokens":%d,"completion_tokens":100,"total_tokens":%d}}`, tokens, tokens+100)}
		}
	}
	p.answers = []func(*aurea.Request) *aurea.Response{priority(150), priority(9000)}
	table, err := pricing.Empty().WithFile(strings.NewReader(`{"m":{"mode":"chat","litellm_provider":"p","input_cost_per_token":1e-6,"output_cost_per_token":2e-6,"input_cost_per_token_priority":2e-6,"output_cost_per_token_priority":4e-6}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, "1", func(c *aurea.Config) { c.Prices = table }, p)
	for i, size := range []int{5, 9000} {
		if _, err := s.orch.Do(t.Context(), aurea.Call{Job: s.job, API: usage.Chat, Body: fmt.Appendf(nil, `{"model":"m","messages":[{"content":%q}],"max_tokens":100}`, strings.Repeat("x", size))}); err != nil {
			t.Fatal(err)
		}
		if err := s.money.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, _, err := s.store.Calls(t.Context(), s.job.ID, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if row := rows[len(rows)-1]; len(rows) != i+1 || (row.Cost > row.Bound) != (i == 0) {
			t.Errorf("call %d cost %s of %s", i, row.Cost, row.Bound)
		}
	}
}
