package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// routed gives an orchestrator an alias, and a route with weights, besides the models that go by their own names.
func routed(c *aurea.Config) {
	c.Router = policy.NewRouter([]policy.Provider{{Name: "openai", API: policy.OpenAI}, {Name: "anthropic", API: policy.Anthropic}}, []policy.Model{
		{Key: "alias", Provider: "openai", Upstream: "gpt-4o-mini"},
		{Key: "mixed", Route: []policy.RouteTarget{{Provider: "openai", Model: "gpt-4o-mini", Weight: 3}, {Provider: "openai", Model: "gpt-5", Weight: 1}}},
	}, pricing.Embedded().Provider)
}

// requestLine draws a line that is good.
func requestLine(t *rapid.T, n int) string {
	id := fmt.Sprintf("item-%d", n)
	text := strings.Repeat("So it goes, again and again. ", rapid.IntRange(0, 40).Draw(t, "text")) + "\\u00e9\\\"" + id
	model := rapid.SampledFrom([]string{"gpt-4o-mini", "gpt-5", "openai/gpt-4o", "alias", "mixed"}).Draw(t, "model")
	caps := func(field string) string {
		if rapid.Bool().Draw(t, "cap") {
			return fmt.Sprintf(`,%q:%d`, field, rapid.IntRange(1, 400).Draw(t, "tokens"))
		}
		return ""
	}
	tier := rapid.SampledFrom([]string{"", `,"service_tier":"flex"`, `,"service_tier":"auto"`, `,"service_tier":"priority"`}).Draw(t, "tier")
	full := func(url, body string) string {
		return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":%q,"body":%s}`, id, url, body)
	}
	switch rapid.IntRange(0, 6).Draw(t, "form") {
	case 0:
		return fmt.Sprintf(`{"id":%d,"model":%q,"prompt":"%s"%s%s}`, n, model, text, caps("max_tokens"), tier)
	case 1:
		return fmt.Sprintf(` {"id":%q, "prompt":"%s","system":"Be brief." }`, id, text)
	case 2:
		return full("/v1/chat/completions", fmt.Sprintf(`{"model":%q,"n":%d,"messages":[{"role":"user","content":"%s"}]%s}`, model, rapid.IntRange(1, 3).Draw(t, "n"), text, caps("max_completion_tokens")))
	case 3:
		return full("/v1/responses", fmt.Sprintf(`{"model":"gpt-5","input":"%s"%s%s}`, text, caps("max_output_tokens"), tier))
	case 4:
		return full("/v1/messages", fmt.Sprintf(`{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"%s"}]%s}`, text, caps("max_tokens")))
	case 5:
		return full("/v1/embeddings", fmt.Sprintf(`{"model":"text-embedding-3-small","input":["%s","%s"]}`, text, id))
	default:
		return fmt.Sprintf(`{"id":%q,"model":"claude-sonnet-4-5","system":"Be brief.","messages":[ {"role":"user","content":"%s"}]}`, id, text)
	}
}

// What a plan says of a file holds when it is run: as many requests, the bound of each, and a bill between minimum and maximum.
func TestPlanHolds(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	tracker, err := budget.Open(t.Context(), st, budget.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, st.Close()) })
	t.Cleanup(func() { must(t, tracker.Close(context.Background())) })
	o := aureatest.New(t, routed, func(c *aurea.Config) { c.Store, c.Tracker = st, tracker })
	jobs := 0
	rapid.Check(t, func(rt *rapid.T) {
		jobs++
		var file strings.Builder
		for n := range rapid.IntRange(1, 8).Draw(rt, "lines") {
			file.WriteString(requestLine(rt, n) + "\n")
		}
		d := batch.Defaults{
			Model: "gpt-4o-mini", MaxTokens: rapid.SampledFrom([]int64{0, 77}).Draw(rt, "max-tokens"), Anthropic: o.SpeaksAnthropic, CapField: o.CapField,
			System: rapid.SampledFrom([]string{"", "Be \"kind\"."}).Draw(rt, "system"),
		}
		planner := o.Planner()
		if _, err := batch.Read(t.Context(), strings.NewReader(file.String()), batch.ReadOptions{Defaults: d}, planner.Add); err != nil {
			rt.Fatal(err)
		}
		plan := planner.Plan(4)

		limit, bound, random := money.SumOf(1000*money.Dollar), money.Sum{}, false
		job, err := o.OpenJob(t.Context(), aurea.JobSpec{Name: fmt.Sprint("job-", jobs), Limit: &limit, Batch: true})
		if err != nil {
			rt.Fatal(err)
		}
		row, err := o.Store.Job(t.Context(), job.ID)
		if err != nil {
			rt.Fatal(err)
		}
		loaded, err := batch.Load(t.Context(), o.Store, row, strings.NewReader(file.String()), batch.LoadOptions{Defaults: d, Check: func(item store.Item) error {
			api, _ := batch.APIOf(item.URL)
			estimate, err := o.Check(api, item.Body)
			bound, random = bound.Add(estimate.Worst), random || item.Lane == "mixed"
			return err
		}})
		if err != nil {
			rt.Fatal(err)
		}
		if plan.Total.Requests != loaded.Items || len(plan.Unknown) > 0 {
			rt.Fatalf("%d requests planned and %d loaded, %v", plan.Total.Requests, loaded.Items, plan.Unknown)
		}
		if c := plan.Total.Most.Cmp(bound); c < 0 || c > 0 && !random {
			rt.Fatalf("planned for %s at most, and a run would hold %s for\n%s", plan.Total.Most, bound, file.String())
		}
		if _, err := batch.NewRunner(batch.Config{Orchestrator: o.Orchestrator, Store: o.Store, Owner: tracker.Owner, Concurrency: 4}, job).Run(t.Context(), nil); err != nil {
			rt.Fatal(err)
		}
		bill := money.Sum{}
		calls := o.Booked(t, job)
		for _, c := range calls {
			bill = bill.Add(c.Cost)
		}
		if int64(len(calls)) != plan.Total.Requests || bill.Cmp(plan.Total.Least) < 0 || bill.Cmp(plan.Total.Most) > 0 {
			rt.Fatalf("%d calls for %d requests cost %s; planned %s to %s", len(calls), plan.Total.Requests, bill, plan.Total.Least, plan.Total.Most)
		}
		if plan.Total.Expected.Cmp(plan.Total.Least) < 0 || plan.Total.Expected.Cmp(plan.Total.Most) > 0 {
			rt.Fatalf("%s expected, of %s to %s", plan.Total.Expected, plan.Total.Least, plan.Total.Most)
		}
	})
}

// What a run refuses a plan refuses, in the same words.
func TestReadRefusesAsLoadDoes(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a bad line":      lines(1, 120) + "nonsense\n" + lines(121, 130) + `{"id":"x","model":"m"}`,
		"an id repeated":  lines(1, 150) + lines(7, 7) + lines(151, 200),
		"a line too long": lines(1, 2) + strings.Repeat("x", 2000) + "\n" + lines(3, 3),
		"many":            strings.Repeat("{]\n", 50),
		"nothing":         " \n",
		"a bad cap":       `{"id":"a","model":"m","prompt":"x","max_tokens":1.5}`,
		"not UTF-8":       "{\"id\":\"a\",\"model\":\"m\",\"prompt\":\"\xff\"}",
		"cut off":         `{"custom_id":"a","url":"/v1/embeddings","body":{"model":"m","input":[}}`,
		"a number's id":   `{"id":01,"model":"m","prompt":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := memory.New(memory.Options{})
			_, want := batch.Load(t.Context(), st, newJob(t, st), strings.NewReader(file), batch.LoadOptions{MaxLine: 1000})
			_, got := batch.Read(t.Context(), strings.NewReader(file), batch.ReadOptions{MaxLine: 1000}, func(*usage.Request) error { return nil })
			if want == nil || got == nil || got.Error() != want.Error() {
				t.Errorf("a plan is refused with %v, a run with %v", got, want)
			}
		})
	}
}

// Bad lines that are skipped are not counted, nor what repeats an id.
func TestReadSkipsBadLines(t *testing.T) {
	t.Parallel()
	var told []int
	o := batch.ReadOptions{SkipBad: true, OnBad: func(bad *batch.LineError) { told = append(told, bad.Line) }}
	requests := 0
	got, err := batch.Read(t.Context(), strings.NewReader(lines(1, 3)+"x\n"+lines(2, 2)+lines(4, 5)), o, func(*usage.Request) error {
		if requests++; requests == 5 {
			return errors.New("no")
		}
		return nil
	})
	if err != nil || got.Requests != 4 || got.Bad != 3 || fmt.Sprint(told) != "[4 5 7]" {
		t.Errorf("%+v, %v; told of lines %v", got, err, told)
	}
}

// endless is a file of so many lines that nobody has to keep.
type endless struct {
	lines, n int
	rest     []byte
	glance   func(n int)
}

func (e *endless) Read(b []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.n == e.lines {
			return 0, io.EOF
		}
		e.n++
		e.glance(e.n)
		e.rest = fmt.Appendf(e.rest[:0], `{"id":"item-%d","model":"gpt-4o-mini","prompt":"Name three rivers."}`+"\n", e.n)
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// The memory of a plan is the same after 20,000 lines and after 300,000. It does not run in parallel, because it looks at the memory of the process.
func TestPlanInFlatMemory(t *testing.T) { //nolint:paralleltest // see above
	o := aureatest.New(t)
	planner := o.Planner()
	heap := make(map[int]uint64)
	file := &endless{lines: 300_000, glance: func(n int) {
		if n == 20_000 || n == 300_000 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap[n] = m.HeapAlloc
		}
	}}
	got, err := batch.Read(t.Context(), file, batch.ReadOptions{}, planner.Add)
	if err != nil || got.Requests != 300_000 || planner.Plan(1).Total.Requests != 300_000 {
		t.Fatal(got, err)
	}
	if early, late := heap[20_000], heap[300_000]; late > early+1<<20 {
		t.Errorf("%d bytes after 20,000 lines and %d after 300,000", early, late)
	}
}

// Names of models cost no more memory than there is for a thousand, and are counted all the same.
func TestPlanOfManyModels(t *testing.T) {
	t.Parallel()
	o := aureatest.New(t)
	planner := o.Planner()
	var file bytes.Buffer
	for n := range 3000 {
		fmt.Fprintf(&file, `{"id":%d,"model":"nobody-sells-%d","prompt":"x"}`+"\n", n, n)
	}
	if _, err := batch.Read(t.Context(), &file, batch.ReadOptions{}, planner.Add); err != nil {
		t.Fatal(err)
	}
	plan, n := planner.Plan(1), int64(0)
	for _, u := range plan.Unknown {
		n += u.Requests
	}
	if n != 3000 || len(plan.Unknown) > 1001 || plan.Total.Requests != 0 || !strings.Contains(plan.Unknown[len(plan.Unknown)-1].Hint, "overrides") {
		t.Errorf("%d requests of %d models without a price, and %d with one", n, len(plan.Unknown), plan.Total.Requests)
	}
	if plan.Wall > time.Hour {
		t.Errorf("nothing takes %v", plan.Wall)
	}
}
