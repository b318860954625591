package verify_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// A day on which one answer was lost: the provider's tokens are those of the calls that were answered, so the lost one was not billed.
func ExampleCompare() {
	var books verify.Books
	err := books.Read(strings.NewReader(`start_time_iso,model,input_tokens,output_tokens,input_cached_tokens,num_model_requests
2026-03-01T00:00:00+00:00,gpt-4o-2024-08-06,1200,340,0,4
`), "usage.csv", "")
	if err != nil {
		panic(err)
	}
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ledger := verify.Ledger{
		Days: []store.DaySum{{
			Day: day, Provider: "openai", Upstream: "gpt-4o", Complete: 4, Cut: 1, InputTokens: 1200, OutputTokens: 340, Cost: money.SumOf(money.MustParse("0.0064")),
		}},
		Doubts: []store.OpenDoubt{{
			Owner: "a", Call: "lost", Attempt: 1, Job: "local/nightly", Provider: "openai", Upstream: "gpt-4o", Started: day.Add(time.Hour), Since: day.Add(time.Hour + time.Second),
			Path: []store.CounterID{1}, Amount: money.Cent, Least: money.Cent,
		}},
	}
	report := verify.Compare(&books, ledger, verify.Options{Now: day.AddDate(0, 0, 2), Lag: 6 * time.Hour})
	for _, c := range report.Cells {
		fmt.Println(c.Day, c.Model, c.Verdict)
	}
	for _, p := range report.Proven {
		fmt.Printf("%s of %s: $%s spent, $%s released\n", p.Settlement.Call, p.Job, p.Settlement.Cost, p.Settlement.Doubt-p.Settlement.Cost)
	}
	// Output:
	// 2026-03-01 gpt-4o equal
	// lost of local/nightly: $0 spent, $0.01 released
}
