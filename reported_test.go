package aurea_test

import (
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// What a provider says that it charged is booked, our own figure is kept beside it, and what cannot be true is booked at the hold.
func TestReportedCost(t *testing.T) {
	t.Parallel()
	answer := func(usage string) func(*aurea.Request) *aurea.Response {
		return func(*aurea.Request) *aurea.Response {
			return &aurea.Response{Status: 200, Body: []byte(`{"choices":[],"usage":{` + usage + `}}`)}
		}
	}
	const counts = `"prompt_tokens":10,"completion_tokens":20,"total_tokens":30`
	for _, c := range []struct {
		name, provider, usage string
		spent, own, outcome   string // spent "" is the hold
	}{
		{"its provider's word", "openrouter", counts + `,"cost":0.000123`, "0.000123", "0.00005", "ok"},
		{"somebody else's", "other", counts + `,"cost":0`, "0.00005", "0", "ok"},
		{"nobody's", "openrouter", counts, "0.00005", "0", "ok"},
		{"below zero", "openrouter", counts + `,"cost":-1`, "", "0", "estimated"},
		{"beyond belief", "openrouter", counts + `,"cost":9999`, "", "0", "estimated"},
		{"besides the tokens", "other", counts + `,"server_tool_use":{"web_search_requests":1}`, "", "0", "estimated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &scripted{name: c.provider, answers: []func(*aurea.Request) *aurea.Response{answer(c.usage)}}
			s := start(t, "1", func(cfg *aurea.Config) {
				prices, err := pricing.Empty().WithFile(strings.NewReader(`{"` + c.provider + `/m":{"litellm_provider":"` + c.provider + `","mode":"chat","max_input_tokens":10000,
				  "max_output_tokens":1000,"input_cost_per_token":1e-06,"output_cost_per_token":2e-06}}`))
				if err != nil {
					t.Fatal(err)
				}
				cfg.Prices = prices
			}, p)
			a, err := s.do(t)
			if err != nil {
				t.Fatal(err)
			}
			spent, _, outcomes := s.booked(t)
			calls, _, err := s.store.Calls(t.Context(), s.job.ID, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := c.spent
			if want == "" {
				want = calls[0].Bound.String()
			}
			if spent != want || a.Cost.String() != want || a.OwnCost.String() != c.own || strings.Join(outcomes, " ") != c.outcome {
				t.Errorf("%s spent as %v, %s in the answer, our own figure %s; want %s, %s", spent, outcomes, a.Cost, a.OwnCost, want, c.own)
			}
			if calls[0].Own != a.OwnCost {
				t.Errorf("the row keeps %s as our own figure, the answer %s", calls[0].Own, a.OwnCost)
			}
		})
	}
}

// A call that a dated snapshot answers is booked at that snapshot's price, and its row names the price that it was booked at.
func TestSnapshotPriceIsKept(t *testing.T) {
	t.Parallel()
	prices, err := pricing.Empty().WithFile(strings.NewReader(`{
	  "m":{"litellm_provider":"p","max_input_tokens":10000,"max_output_tokens":1000,"input_cost_per_token":1e-06,"output_cost_per_token":2e-06},
	  "m-2024-05-13":{"litellm_provider":"p","max_input_tokens":10000,"max_output_tokens":1000,"input_cost_per_token":2e-06,"output_cost_per_token":4e-06}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := &scripted{name: "p", answers: []func(*aurea.Request) *aurea.Response{func(*aurea.Request) *aurea.Response {
		return &aurea.Response{Status: 200, Body: []byte(`{"model":"m-2024-05-13","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}`)}
	}}}
	s := start(t, "1", func(cfg *aurea.Config) { cfg.Prices = prices }, p)
	a, err := s.do(t)
	if err != nil {
		t.Fatal(err)
	}
	s.booked(t)
	calls, _, err := s.store.Calls(t.Context(), s.job.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	row, err := prices.Lookup("p", "m-2024-05-13", calls[0].Started)
	if err != nil {
		t.Fatal(err)
	}
	if a.Cost.String() != "0.0001" || calls[0].PriceHash != row.Hash || calls[0].PriceFrom != pricing.OriginFile {
		t.Errorf("%s booked by row %q of %q; want 0.0001 by %q", a.Cost, calls[0].PriceHash, calls[0].PriceFrom, row.Hash)
	}
}
