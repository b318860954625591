package admin_test

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/gateway/admin"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// into decodes an answer, which must have a status.
func into[T any](t *testing.T, r reply, status int) (v T) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%d, want %d: %s", r.status, status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

type object = map[string]any

// Who has no key, or speaks for somebody else, is let in nowhere.
func TestAdmission(t *testing.T) {
	t.Parallel()
	open, locked := newHouse(t, ""), newHouse(t, rand.Text())
	for name, c := range map[string]struct {
		h       *house
		headers []string
		status  int
	}{
		"on the machine":              {open, nil, 200},
		"by name":                     {open, []string{"Host", "localhost:80"}, 200},
		"by name without a port":      {open, []string{"Host", "LOCALHOST"}, 200},
		"by IPv6":                     {open, []string{"Host", "[::1]:80"}, 200},
		"by IPv6 without a port":      {open, []string{"Host", "[::1]"}, 200},
		"rebound name":                {open, []string{"Host", "evil.example"}, 401},
		"rebound name with loopback":  {open, []string{"Host", "127.0.0.1.evil.example:8080"}, 401},
		"localhost of somebody":       {open, []string{"Host", "localhost.evil.example"}, 401},
		"another address":             {open, []string{"Host", "192.0.2.1:8080"}, 401},
		"all addresses":               {open, []string{"Host", "0.0.0.0:8080"}, 401},
		"page of another origin":      {open, []string{"Origin", "https://evil.example"}, 401},
		"page of no origin":           {open, []string{"Origin", "null"}, 401},
		"page of another port":        {open, []string{"Origin", "http://localhost:1"}, 401},
		"browser from another site":   {open, []string{"Sec-Fetch-Site", "cross-site"}, 401},
		"browser from the same site":  {open, []string{"Sec-Fetch-Site", "same-site"}, 401},
		"typed into a browser":        {open, []string{"Sec-Fetch-Site", "none"}, 200},
		"through a proxy":             {open, []string{"X-Forwarded-For", "203.0.113.7"}, 401},
		"through a proxy, said anew":  {open, []string{"Forwarded", "for=203.0.113.7"}, 401},
		"with the key":                {locked, nil, 200},
		"with the key, through proxy": {locked, []string{"X-Forwarded-For", "203.0.113.7", "Host", "aurea.example"}, 200},
		"with the key, from a page":   {locked, []string{"Origin", "https://evil.example"}, 401},
		"without the key":             {locked, []string{"Authorization", ""}, 401},
		"wrong key":                   {locked, []string{"Authorization", "Bearer " + rand.Text()}, 401},
		"key, scheme in small":        {locked, []string{"Authorization", "bearer " + locked.key}, 200},
		"key without Bearer":          {locked, []string{"Authorization", locked.key}, 401},
		"key as password":             {locked, []string{"Authorization", "Basic " + locked.key}, 401},
		"longer key":                  {locked, []string{"Authorization", "Bearer " + locked.key + "x"}, 401},
		"shorter key":                 {locked, []string{"Authorization", "Bearer " + locked.key[:5]}, 401},
		"empty key":                   {locked, []string{"Authorization", "Bearer "}, 401},
		"key as another header":       {locked, []string{"Authorization", "", "X-Api-Key", locked.key}, 401},
	} {
		r := c.h.ask(t, http.MethodGet, "/admin/v1/limits", "", c.headers...)
		if r.status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, r.status, c.status, r.body)
		}
		if code := r.header.Get("X-Aurea-Error"); c.status == 401 && code != "unauthorized" {
			t.Errorf("%s: code %q", name, code)
		}
		for _, header := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers"} {
			if r.header.Get(header) != "" {
				t.Errorf("%s: %s", name, header)
			}
		}
	}
	if log := locked.log.String(); strings.Contains(log, locked.key) {
		t.Error("the log has the key")
	}
	if r := open.ask(t, http.MethodHead, "/admin/v1/jobs", ""); r.status != 200 || len(r.body) > 0 {
		t.Errorf("HEAD gets %d and %q", r.status, r.body)
	}
	if r := open.ask(t, http.MethodHead, "/admin/v1/jobs/a/cancel", ""); r.status != 405 {
		t.Errorf("HEAD of what changes something gets %d", r.status)
	}
	if r := open.ask(t, http.MethodOptions, "/admin/v1/jobs", "", "Origin", open.url, "Access-Control-Request-Method", "POST"); r.status != 405 {
		t.Errorf("a preflight gets %d", r.status)
	}
}

// Without a key the listener and the caller must both be on this machine.
func TestAdmissionByAddress(t *testing.T) {
	t.Parallel()
	h := admin.New(admin.Config{
		Store: newHouse(t, "").store, Key: func() string { return "" }, Settings: func() any { return object{} },
	})
	for _, c := range []struct {
		at, from string
		status   int
	}{
		{"127.0.0.1:1", "127.0.0.1:2", 200},
		{"[::1]:1", "[::1]:2", 200},
		{"[::ffff:127.0.0.1]:1", "127.0.0.9:2", 200},
		{"192.0.2.1:1", "127.0.0.1:2", 401},
		{"127.0.0.1:1", "192.0.2.1:2", 401},
		{"[::]:1", "[::1]:2", 401},
		{"", "127.0.0.1:2", 401},
		{"127.0.0.1:1", "@", 401},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/admin/v1/config", nil)
		r.RemoteAddr = c.from
		if c.at != "" {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.at)))))
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != c.status {
			t.Errorf("%s from %s: %d, want %d", c.at, c.from, w.Code, c.status)
		}
	}
}

// Amounts that are no money change nothing.
func TestBadMoney(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.spends(t, "a", 1)
	for _, body := range []string{
		`{"max_cost_usd":"-1"}`, `{"max_cost_usd":"1e3"}`, `{"max_cost_usd":" 1"}`, `{"max_cost_usd":""}`, `{"max_cost_usd":"12345678"}`, `{"max_cost_usd":"0.0000000000001"}`,
		`{"max_cost_usd":5}`, `{"max_cost_usd":null}`, `{}`, `[]`, `null`, `{"max_cost_usd":"5","max_cost_usd":"6"}`, `{"max_cost_usd":"5"}{}`, `{"max_cost":"5"}`,
		`{"max_cost_usd":"5","present_usd":"x"}`, `{"max_cost_usd":"NaN"}`, `{"max_cost_usd":"+5"}`, "{\"max_cost_usd\":\"5\xff\"}", ` `,
	} {
		r := h.ask(t, http.MethodPost, "/admin/v1/jobs/a/raise", body)
		if e := into[object](t, r, 400); e["error"].(object)["code"] != "invalid_request" {
			t.Errorf("%s: %s", body, r.body)
		}
	}
	if v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/jobs/a", ""), 200); v["limit_usd"] != "1" {
		t.Errorf("%v", v)
	}
	if v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/audit", ""), 200); len(v["changes"].([]any)) != 0 {
		t.Errorf("%v", v)
	}
}

// A change can be asked for again, says what it was before, and leaves a row each time.
func TestChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.spends(t, "a", 2)
	h.doubtful(t, "old", time.Now().Add(-time.Hour))
	post := func(path, body string, status int) object {
		t.Helper()
		return into[object](t, h.ask(t, http.MethodPost, "/admin/v1/jobs/"+path, body), status)
	}
	for range 2 {
		if v := post("a/raise", `{"max_cost_usd":"0.10"}`, 200); v["limit_usd"] != "0.1" {
			t.Errorf("%v", v)
		}
	}
	post("a/raise", `{"max_cost_usd":"3","present_usd":"1"}`, 409)
	post("local%2Fa/raise", `{"max_cost_usd":"0.5","present_usd":"0.1"}`, 200)
	for _, want := range []string{"0.00000000002", "0"} {
		if v := post("old/reconcile", `{"spent":true}`, 200); v["reconciled_usd"] != want {
			t.Errorf("%v, want %s", v, want)
		}
	}
	for range 2 {
		post("a/cancel", `{"reason":"enough"}`, 200)
	}
	post("a/raise", `{"max_cost_usd":"5"}`, 409)
	if v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/jobs/a", ""), 200); v["state"] != "cancelled" || v["reason"] != "enough" || v["limit_usd"] != "0.5" || v["spent_usd"] != "0.004" {
		t.Errorf("%v", v)
	}
	type change struct{ Actor, Remote, Action, Subject, Outcome, Before, After string }
	var got []change
	for after := ""; ; {
		v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/audit?limit=2&cursor="+after, ""), 200)
		for _, one := range v["changes"].([]any) {
			o := one.(object)
			before, _ := json.Marshal(o["before"])
			later, _ := json.Marshal(o["after"])
			got = append(got, change{
				o["actor"].(string), o["remote"].(string), o["action"].(string), o["subject"].(string), o["outcome"].(string), string(before), string(later),
			})
		}
		if v["next"] == nil {
			break
		}
		after = v["next"].(string)
	}
	row := func(action, subject, before, after string) change {
		return change{"local", "127.0.0.1", action, subject, "done", before, after}
	}
	want := []change{
		row("job.cancel", "a", `{"state":"cancelled"}`, `{"state":"cancelled"}`),
		row("job.cancel", "a", `{"state":"pending"}`, `{"state":"cancelled"}`),
		row("job.reconcile", "old", `{"unconfirmed_usd":"0"}`, `{"reconciled_usd":"0","spent":true,"unconfirmed_usd":"0"}`),
		row("job.reconcile", "old", `{"unconfirmed_usd":"0.00000000002"}`, `{"reconciled_usd":"0.00000000002","spent":true,"unconfirmed_usd":"0"}`),
		row("job.raise", "a", `{"limit_usd":"0.1"}`, `{"limit_usd":"0.5"}`),
		row("job.raise", "a", `{"limit_usd":"0.1"}`, `{"limit_usd":"0.1"}`),
		row("job.raise", "a", `{"limit_usd":"1"}`, `{"limit_usd":"0.1"}`),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The limit of calls without a job is that of a day, and so is what a raise changes.
func TestRaiseOfADay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	j, err := h.OpenJob(t.Context(), aurea.JobSpec{Name: "default", PerDay: true})
	if err != nil {
		t.Fatal(err)
	}
	v := into[object](t, h.ask(t, http.MethodPost, "/admin/v1/jobs/default/raise", `{"max_cost_usd":"20"}`), 200)
	if !strings.Contains(v["note"].(string), "midnight") {
		t.Errorf("%v", v)
	}
	if _, err := h.Do(t.Context(), aurea.Call{Job: j, API: usage.Chat, Body: []byte(`{"model":"test-model","max_tokens":1,"messages":[]}`)}); err != nil {
		t.Fatal(err)
	}
	if s := j.Standing(); s.Unlimited || s.Remaining.String() < "19" || s.Remaining.String() > "20" {
		t.Errorf("%+v", s)
	}
	c, err := h.store.FindCounter(t.Context(), store.JobPrefix+"local/default", time.Time{})
	if err != nil || !c.Limit.IsUnlimited() {
		t.Errorf("%+v, %v", c, err)
	}
}

// Pages have every job once, and filters what they say.
func TestListJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	want := []any{}
	for name := range strings.SplitSeq("a b c d e", " ") {
		if _, err := h.Job(name, aurea.Dollar); err != nil {
			t.Fatal(err)
		}
		want = append([]any{name}, want...)
	}
	into[object](t, h.ask(t, http.MethodPost, "/admin/v1/jobs/c/cancel", `{}`), 200)
	for query, want := range map[string][]any{"": want, "&state=cancelled": {"c"}, "&state=pending": {"e", "d", "b", "a"}, "&parent=a": {}} {
		got := []any{}
		for after := ""; ; {
			v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/jobs?limit=2"+query+"&cursor="+after, ""), 200)
			for _, j := range v["jobs"].([]any) {
				got = append(got, j.(object)["id"])
			}
			if v["next"] == nil {
				break
			}
			after = v["next"].(string)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", query, d)
		}
	}
}

// The table says what the list says.
func TestCallsCSV(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.spends(t, "a", 3)
	h.spends(t, "b", 2)
	for query, n := range map[string]int{"": 5, "?job=a": 3, "?model=test-model&status=200&outcome=ok": 5, "?status=500": 0, "?from=2200-01-01": 0, "?to=1999-01-01T00:00:00Z": 0} {
		r := h.ask(t, http.MethodGet, "/admin/v1/calls.csv"+query, "")
		rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
		if err != nil || r.status != 200 || len(rows) != n+1 {
			t.Fatalf("%s: %d rows of %d, %v: %s", query, len(rows), n+1, err, r.body)
		}
		list := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/calls"+query, ""), 200)["calls"].([]any)
		for i, row := range rows[1:] {
			for k, column := range rows[0] {
				v := list[i].(object)[column]
				if b, err := json.Marshal(v); err != nil || strings.Trim(string(b), `"`) != row[k] {
					t.Errorf("%s row %d, %s: %q, the list says %s", query, i, column, row[k], b)
				}
			}
		}
	}
	v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/spend?by=job,model,day", ""), 200)
	day := time.Now().UTC().Format(time.DateOnly)
	if rows := v["spend"].([]any); v["total_usd"] != "0.01" || len(rows) < 2 || rows[0].(object)["job"] != "a" || rows[0].(object)["cost_usd"] != "0.006" || rows[0].(object)["day"].(string) > day {
		t.Errorf("%v", v)
	}
}

// Nothing that a client or a provider named is a formula in a spreadsheet.
func TestCell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"gpt-4o": "gpt-4o", "": "", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@sum": "'@sum", "\t=1": "' =1", "\r\n=1": "'  =1", " =1": "' =1", "a\nb": "a b", "＝1": "'＝1", "'=1": "''=1",
		"a=b": "a=b", "|calc": "'|calc",
	} {
		if got := admin.Cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Wrong keys are counted by network, and the right one waits with them.
func TestGuesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t, rand.Text())
	for i := range 12 {
		r := h.ask(t, http.MethodGet, "/admin/v1/limits", "", "Authorization", "Bearer "+rand.Text())
		if want := map[bool]int{true: 401, false: 429}[i < 10]; r.status != want {
			t.Errorf("guess %d: %d, want %d", i, r.status, want)
		}
	}
	if r := h.ask(t, http.MethodGet, "/admin/v1/limits", ""); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Errorf("%d", r.status)
	}
	for range 20 { // no guesses
		newHouse(t, h.key).ask(t, http.MethodGet, "/admin/v1/limits", "", "Authorization", "")
	}
}

// Circuits are seen, and one is closed without the others.
func TestBreakerReset(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.spends(t, "a", 1)
	for _, body := range []string{`{}`, `{"all":true,"model":"x"}`, `{"provider":"openai"}`, `{"all":false}`} {
		into[object](t, h.ask(t, http.MethodPost, "/admin/v1/breakers/reset", body), 400)
	}
	for _, body := range []string{`{"all":true}`, `{"provider":"openai","model":"test-model"}`} {
		v := into[object](t, h.ask(t, http.MethodPost, "/admin/v1/breakers/reset", body), 200)
		if b := v["breakers"].([]any); len(b) != 1 || b[0].(object)["state"] != "closed" || b[0].(object)["success_count"] != 0.0 {
			t.Errorf("%s: %v", body, v)
		}
	}
	v := into[object](t, h.ask(t, http.MethodGet, "/admin/v1/limits", ""), 200)
	if l := v["limits"].([]any); len(l) != 1 || l[0].(object)["key"] != 1.0 || l[0].(object)["admitted"] != 1.0 {
		t.Errorf("%v", v)
	}
}

// deadlines are those that were set on a connection.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write time.Time
	sets        int
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; d.sets++; return nil }

// The next request on a connection has no deadline of this one's.
func TestDeadlinesEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	handler := admin.New(admin.Config{Orchestrator: h.Orchestrator.Orchestrator, Store: h.store, Key: func() string { return "" }})
	for path, body := range map[string]string{"calls": "", "calls.csv": "", "breakers/reset": `{"all":true}`} {
		method := http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
		local := net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), method, "http://localhost/admin/v1/"+path, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:2"
		r.Header.Set("Content-Type", "application/json")
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		handler.ServeHTTP(w, r)
		if w.Code != 200 || !w.read.IsZero() || !w.write.IsZero() || w.sets < 2 {
			t.Errorf("%s: %d, %v, %v, set %d times", path, w.Code, w.read, w.write, w.sets)
		}
	}
}

// Whatever is asked, the answer is good or a refusal of the caller's mistake, in JSON.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", "limit=1&cursor=MS4w", "cursor=MC4w", "from=2026-01-01&to=2025-01-01", "from=0001-01-01", "status=99999999999999999999", "state=loading", "by=day,day", "by=,", "by=job",
		"job=../x", "job=%00", "%zz", "a;b", "limit=-1", "cursor=OTIyMzM3MjAzNjg1NDc3NTgwNy45MjIzMzcyMDM2ODU0Nzc1ODA3", "outcome=ok&outcome=ok", "model=\xff",
	} {
		f.Add(q)
	}
	h := newHouse(f, "")
	handler := admin.New(admin.Config{
		Orchestrator: h.Orchestrator.Orchestrator, Store: h.store, Key: func() string { return "" },
		Settings: func() any { return object{} },
	})
	if _, err := h.Job("a", aurea.Dollar); err != nil {
		f.Fatal(err)
	}
	local := net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"jobs", "calls", "calls.csv", "spend", "audit", "limits", "jobs/a", "config"} {
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, local), http.MethodGet, "http://localhost/admin/v1/"+path, nil)
			r.RemoteAddr, r.URL.RawQuery = "127.0.0.1:2", query
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
			if kind := w.Header().Get("Content-Type"); kind == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%s: %s", path, query, w.Body)
			}
		}
	})
}

// Whatever a cell holds, no program takes it for a formula, and it stays one cell.
func FuzzCell(f *testing.F) {
	f.Add("=1+1")
	f.Add(" \t@x")
	f.Fuzz(func(t *testing.T, text string) {
		got := admin.Cell(text)
		if got != "" && strings.ContainsAny(got[:1], "=+-@|%\t\r\n") || strings.ContainsAny(got, "\r\n\t\x00") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
