package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway/admin"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// brittle is a store that can go out of reach.
type brittle struct {
	*memory.Store
	gone atomic.Bool
}

func (b *brittle) reach() error {
	if b.gone.Load() {
		return fmt.Errorf("%w: the test says so", store.ErrUnavailable)
	}
	return nil
}

func (b *brittle) Job(ctx context.Context, id string) (store.Job, error) {
	if err := b.reach(); err != nil {
		return store.Job{}, err
	}
	return b.Store.Job(ctx, id)
}

func (b *brittle) ListJobs(ctx context.Context, f store.JobFilter, after int64, limit int) ([]store.Job, int64, error) {
	if err := b.reach(); err != nil {
		return nil, 0, err
	}
	return b.Store.ListJobs(ctx, f, after, limit)
}

func (b *brittle) ListCalls(ctx context.Context, f store.CallFilter, after store.CallMark, limit int) ([]store.Call, store.CallMark, error) {
	if err := b.reach(); err != nil {
		return nil, store.CallMark{}, err
	}
	return b.Store.ListCalls(ctx, f, after, limit)
}

func (b *brittle) SpendSums(ctx context.Context, f store.CallFilter, by store.SpendBy, most int) ([]store.SpendSum, error) {
	if err := b.reach(); err != nil {
		return nil, err
	}
	return b.Store.SpendSums(ctx, f, by, most)
}

func (b *brittle) PutChange(ctx context.Context, c store.Change) (int64, error) {
	if err := b.reach(); err != nil {
		return 0, err
	}
	return b.Store.PutChange(ctx, c)
}

func (b *brittle) Changes(ctx context.Context, after int64, limit int) ([]store.Change, int64, error) {
	if err := b.reach(); err != nil {
		return nil, 0, err
	}
	return b.Store.Changes(ctx, after, limit)
}

// house is the admin API on loopback, with an orchestrator that has made some calls.
type house struct {
	*aureatest.Orchestrator
	store *brittle
	url   string
	key   string
	log   *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newHouse(tb testing.TB, key string) *house {
	tb.Helper()
	h := &house{store: &brittle{Store: memory.New(memory.Options{})}, key: key, log: &syncBuffer{}}
	h.Orchestrator = aureatest.New(tb, func(c *aurea.Config) { c.Store = h.store })
	s := httptest.NewServer(admin.New(admin.Config{
		Orchestrator: h.Orchestrator.Orchestrator, Store: h.store, Key: func() string { return key },
		Settings: func() any { return map[string]any{"database": "memory", "listen": "127.0.0.1:0"} }, Logger: logger(h.log),
	}))
	tb.Cleanup(s.Close)
	h.url = s.URL
	return h
}

// spends makes n calls of a job that cost $0.002 each.
func (h *house) spends(t *testing.T, name string, n int) {
	t.Helper()
	j, err := h.Job(name, aurea.Dollar)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		h.Provider.Script(aureatest.Says(usage.Chat, "hello", aurea.Usage{Input: 1000, Output: 500}))
		if _, err := h.Do(t.Context(), aurea.Call{Job: j, API: usage.Chat, Body: []byte(`{"model":"test-model","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`)}); err != nil {
			t.Fatal(err)
		}
	}
	h.Booked(t, j)
}

// doubtful leaves a job with money of a process that died just now.
func (h *house) doubtful(t *testing.T, name string, died time.Time) {
	t.Helper()
	ctx := t.Context()
	if _, err := h.Job(name, aurea.Dollar); err != nil {
		t.Fatal(err)
	}
	c, err := h.store.FindCounter(ctx, store.JobPrefix+"local/"+name, time.Time{})
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	owner := store.OwnerID("dead-" + name)
	_, err = h.store.Announce(ctx, owner) // nothing proves that it has ended
	check(err)
	check(h.store.Join(ctx, store.Owner{ID: owner, Joined: died}))
	_, err = h.store.Apply(ctx, store.Round{Owner: owner, Epoch: 1, Now: died, Leases: []store.LeaseOp{{Counter: c.ID, Wants: []money.USD{20}}}})
	check(err)
	check(h.store.Declare(ctx, owner, died))
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (h *house) ask(tb testing.TB, method, path, body string, headers ...string) reply {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if h.key != "" {
		req.Header.Set("Authorization", "Bearer "+h.key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := caller.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

// contract is the document, and what of it was seen.
type contract struct {
	t     *testing.T
	doc   map[string]any
	c     *jsonschema.Compiler
	wants map[string]bool // "get /jobs/{job} 404" → seen
}

func read(t *testing.T, h *house) *contract {
	t.Helper()
	r := h.ask(t, http.MethodGet, "/admin/v1/openapi.json", "")
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{t: t, doc: v.(map[string]any), c: jsonschema.NewCompiler(), wants: map[string]bool{}}
	c.c.DefaultDraft(jsonschema.Draft2020)
	c.c.AssertFormat()
	if err := c.c.AddResource("openapi.json", v); err != nil {
		t.Fatal(err)
	}
	for path, methods := range c.at("paths") {
		for method := range methods.(map[string]any) {
			for status := range c.at("paths", path, method, "responses") {
				c.wants[method+" "+path+" "+status] = false
			}
		}
	}
	return c
}

func (c *contract) at(keys ...string) map[string]any {
	v := c.doc
	for _, k := range keys {
		next, ok := v[k].(map[string]any)
		if !ok {
			return nil
		}
		v = next
	}
	return v
}

// holds checks an answer against what the document says of it.
func (c *contract) holds(method, path string, r reply) {
	c.t.Helper()
	method = strings.ToLower(method)
	if r.status == http.StatusMethodNotAllowed { // of the method that the path has
		for m := range c.at("paths", path) {
			method = m
		}
	}
	what := fmt.Sprintf("%s %s %d", method, path, r.status)
	if _, ok := c.wants[what]; !ok {
		c.t.Errorf("%s is not in the document: %s", what, r.body)
		return
	}
	c.wants[what] = true
	place := []string{"paths", path, method, "responses", fmt.Sprint(r.status)}
	if ref, ok := c.at(place...)["$ref"].(string); ok {
		place = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	media, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if c.at(append(place, "content", media, "schema")...) == nil {
		c.t.Errorf("%s answers %q", what, media)
		return
	}
	if media != "application/json" {
		return
	}
	pointer := "openapi.json#"
	for _, k := range append(place, "content", media, "schema") {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(k)
	}
	schema, err := c.c.Compile(pointer)
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.body))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		c.t.Errorf("%s is not as the document says: %v\n%s", what, err, r.body)
	}
	if e, ok := v.(map[string]any)["error"].(map[string]any); ok && e["code"] != r.header.Get("X-Aurea-Error") {
		c.t.Errorf("%s: code %v, header %q", what, e["code"], r.header.Get("X-Aurea-Error"))
	}
}

// bodies are good bodies of changes.
var bodies = map[string]string{"/cancel": `{}`, "/raise": `{"max_cost_usd":"2"}`, "/reconcile": `{"spent":true}`, "/reset": `{"provider":"openai","model":"test-model"}`}

// TestContract asks every path for every answer that the document has, and compares each with its schema.
func TestContract(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := read(t, h)
	if got, want := slices.Sorted(maps.Keys(c.at("paths"))), admin.Paths(); !slices.Equal(got, want) {
		t.Fatalf("documented %v\nanswered %v", got, want)
	}
	h.spends(t, "a", 3)
	h.doubtful(t, "young", time.Now())
	h.doubtful(t, "old", time.Now().Add(-time.Hour))
	if _, err := h.Job("gone", aurea.Dollar); err != nil {
		t.Fatal(err)
	}
	locked := newHouse(t, rand.Text())
	type try struct{ method, template, path, body string }
	send := func(h *house, x try, headers ...string) {
		t.Helper()
		c.holds(x.method, "/admin/v1"+x.template, h.ask(t, x.method, "/admin/v1"+x.path, x.body, headers...))
	}
	var all []try
	for path, methods := range c.at("paths") {
		for method := range methods.(map[string]any) {
			template := strings.TrimPrefix(path, "/admin/v1")
			x := try{strings.ToUpper(method), template, strings.ReplaceAll(template, "{job}", "a"), ""}
			for end, body := range bodies {
				if strings.HasSuffix(template, end) {
					x.body = body
				}
			}
			all = append(all, x)
		}
	}
	for _, x := range all {
		get := x.method == http.MethodGet
		if x.template != "/jobs/{job}/cancel" {
			send(h, x) // 200
		}
		send(h, try{x.method, x.template, x.path + "?no=such", x.body}) // 400
		send(h, x, "Sec-Fetch-Site", "cross-site")                      // 401
		send(h, try{http.MethodDelete, x.template, x.path, ""})         // 405
		if _, ok := c.wants[strings.ToLower(x.method)+" /admin/v1"+x.template+" 404"]; ok {
			send(h, try{x.method, x.template, strings.ReplaceAll(x.path, "/a", "/nobody"), strings.ReplaceAll(x.body, "openai", "nobody")})
		}
		if !get {
			send(h, try{x.method, x.template, x.path, `{"reason":"` + strings.Repeat("x", 70_000) + `"}`}) // 413
			send(h, x, "Content-Type", "text/plain")                                                       // 415
		}
	}
	send(h, try{http.MethodPost, "/jobs/{job}/cancel", "/jobs/gone/cancel", `{"reason":"enough"}`})
	send(h, try{http.MethodPost, "/jobs/{job}/raise", "/jobs/gone/raise", bodies["/raise"]})              // 409: it is cancelled
	send(h, try{http.MethodPost, "/jobs/{job}/reconcile", "/jobs/young/reconcile", bodies["/reconcile"]}) // 409: its process may live
	send(h, try{http.MethodPost, "/jobs/{job}/reconcile", "/jobs/old/reconcile", bodies["/reconcile"]})
	send(h, try{http.MethodGet, "/audit", "/audit", ""})
	h.store.gone.Store(true)
	for _, x := range all {
		if _, ok := c.wants[strings.ToLower(x.method)+" /admin/v1"+x.template+" 503"]; ok {
			send(h, x)
		}
	}
	for range 11 {
		locked.ask(t, http.MethodGet, "/admin/v1/jobs", "", "Authorization", "Bearer wrong")
	}
	for _, x := range all {
		send(locked, x) // 429, with the right key too
	}
	for what, seen := range c.wants {
		if !seen {
			t.Errorf("%s is in the document and was never seen", what)
		}
	}
}

// The document is sound by itself: every schema compiles, and everything that is referred to is there.
func TestDocumentCompiles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	c := read(t, h)
	for name := range c.at("components", "schemas") {
		if _, err := c.c.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	ids := map[string]bool{}
	for path := range c.at("paths") {
		for method := range c.at("paths", path) {
			op := c.at("paths", path, method)
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] {
				t.Errorf("%s %s: operationId %q", method, path, id)
			}
			ids[id] = true
			text, err := json.Marshal(op["parameters"])
			if err != nil || strings.Contains(path, "{job}") != strings.Contains(string(text), `"in":"path"`) {
				t.Errorf("%s: parameters %s", path, text)
			}
		}
	}
}
