//go:build unix

package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	amounts "github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// verification is what `verify --json` says.
type verification struct {
	Agrees  bool
	Settled bool
	Days    []struct {
		Day, Model, Verdict string
		Unconfirmed         money `json:"unconfirmed_usd"`
	}
	Proven []struct {
		Job, Proof string
		Spent      money `json:"spent_usd"`
		Released   money `json:"released_usd"`
		Settled    bool
	}
	Left []struct {
		Calls  int
		Reason string
	}
}

func (p *process) verification() (v verification) {
	p.tb.Helper()
	if err := json.Unmarshal([]byte(p.stdout.String()), &v); err != nil {
		p.tb.Fatalf("%v\n%s", err, p.stdout.String())
	}
	return v
}

// billed are sums of what the provider charged, by day and model.
type billed struct {
	requests, in, out int64
	cost              *big.Int
}

func (p *provider) billed() (days []string, sums map[string]map[string]*billed) {
	p.tb.Helper()
	sums = map[string]map[string]*billed{}
	for _, l := range p.Stats().Log {
		cost, ok := new(big.Int).SetString(l.CostPico, 10)
		if !ok {
			p.tb.Fatalf("a cost of %q", l.CostPico)
		}
		day := l.At.UTC().Format(time.DateOnly)
		if sums[day] == nil {
			sums[day] = map[string]*billed{}
			days = append(days, day)
		}
		if cost.Sign() == 0 {
			continue
		}
		b := sums[day][l.Model]
		if b == nil {
			b = &billed{cost: new(big.Int)}
			sums[day][l.Model] = b
		}
		b.requests, b.in, b.out = b.requests+1, b.in+l.InputTokens, b.out+l.OutputTokens
		b.cost.Add(b.cost, cost)
	}
	slices.Sort(days)
	return days, sums
}

func text(pico *big.Int) string {
	return new(big.Rat).SetFrac(pico, big.NewInt(1_000_000_000_000)).FloatString(20)
}

// openAIExports are the pages of OpenAI's usage and costs.
func (h *house) openAIExports() (usage, costs string) {
	h.tb.Helper()
	days, sums := h.sim.billed()
	write := func(name string, results func(model string, b *billed) []any) string {
		var data []any
		for _, day := range days {
			start, err := time.Parse(time.DateOnly, day)
			if err != nil {
				h.tb.Fatal(err)
			}
			all := []any{}
			for model, b := range sums[day] {
				if model != "sim-c" {
					all = append(all, results(model, b)...)
				}
			}
			data = append(data, map[string]any{"object": "bucket", "start_time": start.Unix(), "end_time": start.Unix() + 86400, "results": all})
		}
		page, err := json.Marshal(map[string]any{"object": "page", "data": data, "has_more": false, "next_page": nil})
		if err != nil {
			h.tb.Fatal(err)
		}
		return h.write(name, string(page))
	}
	usage = write("usage.json", func(model string, b *billed) []any {
		return []any{map[string]any{
			"object": "organization.usage.completions.result", "model": model, "input_tokens": b.in, "output_tokens": b.out, "input_cached_tokens": 0,
			"num_model_requests": b.requests,
		}}
	})
	costs = write("costs.json", func(model string, b *billed) []any {
		return []any{map[string]any{
			"object": "organization.costs.result", "line_item": model + ", input", "amount": map[string]any{"value": text(b.cost), "currency": "usd"},
		}}
	})
	return usage, costs
}

// anthropicCosts is a page of the cost report, in cents.
func (h *house) anthropicCosts() string {
	h.tb.Helper()
	var data []any
	days, sums := h.sim.billed()
	for _, day := range days {
		results := []any{}
		if b := sums[day]["sim-c"]; b != nil {
			results = append(results, map[string]any{
				"currency": "USD", "amount": text(new(big.Int).Mul(b.cost, big.NewInt(100))), "cost_type": "tokens", "description": "sim-c usage", "model": "sim-c",
			})
		}
		data = append(data, map[string]any{"starting_at": day + "T00:00:00Z", "results": results})
	}
	page, err := json.Marshal(map[string]any{"data": data, "has_more": false, "next_page": nil})
	if err != nil {
		h.tb.Fatal(err)
	}
	return h.write("anthropic-costs.json", string(page))
}

// anthropicExport is the Console's usage export.
func (h *house) anthropicExport() string {
	h.tb.Helper()
	out := "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m," +
		"usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n"
	days, sums := h.sim.billed()
	for _, day := range days {
		if b := sums[day]["sim-c"]; b != nil {
			out += fmt.Sprintf("%s,sim-c,key,Default,standard,≤ 200k,%d,0,0,0,%d,0,global,\n", day, b.in, b.out)
		}
	}
	return h.write("anthropic.csv", out)
}

// threeModels are n requests of each model.
func threeModels(n int) string {
	var b strings.Builder
	for i := range n {
		for _, model := range []string{"sim-a", "sim-b"} {
			fmt.Fprintf(&b, `{"id":"%s-%d","model":%q,"prompt":"Say something about number %d.","max_tokens":100}`+"\n", model, i, model, i)
		}
		fmt.Fprintf(&b, `{"custom_id":"sim-c-%d","method":"POST","url":"/v1/messages","body":{"model":"sim-c","max_tokens":100,"messages":[{"role":"user","content":"Number %d."}]}}`+"\n", i, i)
	}
	return b.String()
}

// Answers were lost, some billed and some not, and a process was killed: the provider's exports say which, and settle them to the last digit.
func TestVerify(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{log: true}, "retry: {max_retries: 0}\n")
	content := threeModels(20)
	file := h.write("in.jsonl", content)
	reset := func(billed bool, model string, times int) map[string]any {
		return map[string]any{"reset": true, "billed": billed, "model": model, "times": times}
	}
	h.sim.script(reset(false, "sim-a", 2), reset(true, "sim-b", 2), reset(false, "sim-c", 1))
	h.runs(4, "run", file, "--job", "v", "--max-cost", "1")
	before := h.show("v")
	if before.Unconfirmed.Sign() == 0 {
		t.Fatal("nothing is unconfirmed")
	}
	usage, costs := h.openAIExports()
	anthropic := h.anthropicExport()

	// Nothing is written without being asked, and today is not settled.
	v := h.runs(0, "verify", "--usage", usage, "--json").verification()
	if !v.Agrees || len(v.Proven) != 0 || len(v.Left) == 0 || !strings.Contains(v.Left[0].Reason, "--final") {
		t.Fatalf("today: %+v", v)
	}
	v = h.runs(0, "verify", "--usage", usage, "--final", "--json").verification()
	if len(v.Proven) != 2 || v.Settled {
		t.Fatalf("tokens prove two calls: %+v", v)
	}
	if j := h.show("v"); j.Unconfirmed.Cmp(&before.Unconfirmed.Int) != 0 {
		t.Errorf("it was written without --settle: %s", &j.Unconfirmed.Int)
	}
	v = h.runs(0, "verify", usage, costs, anthropic, "--final", "--settle", "--json").verification()
	if len(v.Proven) != 5 || !v.Settled || !v.Agrees {
		t.Fatalf("usage and costs prove all: %+v", v)
	}
	j := h.show("v")
	exact(t, &j.Spent.Int, h.sim.bill())
	if j.Unconfirmed.Sign() != 0 {
		t.Errorf("%s stays unconfirmed", &j.Unconfirmed.Int)
	}
	v = h.runs(0, "verify", usage, costs, anthropic, "--final", "--settle", "--json").verification()
	if len(v.Proven)+len(v.Left) != 0 {
		t.Errorf("settled again: %+v", v)
	}
	again := h.show("v")
	exact(t, &again.Spent.Int, h.sim.bill())

	// A killed process leaves what was on the wire; the provider charges some of it, or none.
	h.sim.change(map[string]any{"latency": "1m"})
	second := h.write("second.jsonl", content)
	calls := h.sim.requests()
	p := h.start("run", second, "--job", "w", "--max-cost", "1")
	until(t, "requests on the wire", func() bool { return h.sim.requests() >= calls+8 })
	p.kill()
	h.sim.change(map[string]any{"latency": "0s"})
	until(t, "the provider gives up", func() bool { return h.sim.Stats().InFlight == 0 })
	if w := h.show("w"); w.Unconfirmed.Sign() == 0 {
		t.Fatal("a killed process left nothing unconfirmed")
	}
	usage, costs = h.openAIExports()
	out := h.runs(0, "verify", usage, costs, h.anthropicExport(), h.anthropicCosts(), "--final", "--settle").stdout.String()
	w, v0 := h.show("w"), h.show("v")
	if w.Unconfirmed.Sign() != 0 {
		t.Errorf("%s stays unconfirmed:\n%s", &w.Unconfirmed.Int, out)
	}
	exact(t, sum(&v0.Spent.Int, &w.Spent.Int), h.sim.bill())
}

// A bill that differs is told by the exit code; what is no export by its reason.
func TestVerifyDiffers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{log: true}, "")
	content := threeModels(3)
	h.runs(0, "run", h.write("in.jsonl", content), "--job", "v", "--max-cost", "1")
	h.runs(0, "run", h.write("play.jsonl", content), "--job", "play", "--simulate") // rehearsals are not on the bill
	usage, _ := h.openAIExports()
	h.runs(0, "verify", "--usage", usage, "--usage", h.anthropicExport())
	wrong := h.write("wrong.csv", "start_time_iso,model,input_tokens,output_tokens,num_model_requests\n"+time.Now().UTC().Format(time.DateOnly)+",sim-a,1,1,1\n")
	p := h.runs(4, "verify", "--usage", wrong)
	if out := p.stdout.String(); !strings.Contains(out, "billed less") || !strings.Contains(out, "not in the export") {
		t.Errorf("it says\n%s", out)
	}
	h.runs(1, "verify", "--usage", h.write("no.csv", "a,b\n1,2\n"))
	h.runs(1, "verify", "--usage", h.path("missing.csv"))
	h.runs(2, "verify")
	h.runs(2, "verify", "--usage", usage, "--from", "yesterday")
	h.runs(2, "verify", "--usage", usage, "--format", "xml")
	if f := h.runs(1, "verify", "--usage", h.path("no.csv"), "--json").failure(); !strings.Contains(f.Message, "Accepted are") {
		t.Errorf("the refusal does not say what is accepted: %+v", f)
	}
}

// With budget.unconfirmed: expected, what has been unconfirmed for a day is booked at the mean; with keep it stays.
func TestExpected(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"keep", "expected"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, behaviour{}, "budget: {unconfirmed: "+mode+"}\n")
			old := time.Now().Add(-25 * time.Hour)
			st, err := sqlite.Open(t.Context(), h.path("aurea.db"), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, _, err = st.CreateJob(t.Context(), store.Job{ID: "local/old", State: store.JobDone, Created: old}, amounts.Sum{Dollars: 1})
			check(err)
			c, err := st.FindCounter(t.Context(), "job:local/old", time.Time{})
			check(err)
			check(st.Join(t.Context(), store.Owner{ID: "before", Joined: old}))
			call := store.Call{ID: "known", Path: []store.CounterID{c.ID}, Job: "local/old", Provider: "openai", Upstream: "sim-a", Outcome: "ok", Cost: 10, Bound: 40, Started: old}
			lost := call
			lost.ID, lost.Outcome, lost.Cost, lost.Bound, lost.Doubt = "lost", "cut", 0, 1000, 1000
			_, err = st.Apply(t.Context(), store.Round{
				Owner: "before", Epoch: 1, Now: old, Entries: []store.Entry{{Call: call}, {Call: lost}},
				Leases: []store.LeaseOp{{Counter: c.ID, Spent: 10, Force: 1010, Doubt: 1000, Close: true}},
			})
			check(err)
			check(st.Leave(t.Context(), "before", 1))
			check(st.Close())
			h.sim.change(map[string]any{"latency": "300ms"})
			h.runs(0, "run", h.write("in.jsonl", threeModels(1)), "--job", "v", "--max-cost", "1")
			j := h.show("old")
			want := map[string][2]int64{"keep": {10, 1000}, "expected": {260, 0}}[mode]
			if j.Spent.Int64() != want[0] || j.Unconfirmed.Int64() != want[1] {
				t.Errorf("spent %s, unconfirmed %s, want %v", &j.Spent.Int, &j.Unconfirmed.Int, want)
			}
		})
	}
}
