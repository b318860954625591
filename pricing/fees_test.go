package pricing_test

import (
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// Searches have the fees that the providers publish.
func TestSearchFees(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"gpt-4o": "0.01", "claude-sonnet-4-5": "0.01", "gemini-2.5-flash": "0.035", "gemini-2.5-pro": "0.035", "gemini-3-pro-preview": "0.014",
		"gemini-3.6-flash": "0.014", "grok-4.20": "0.005", "grok-4": "0.005",
	} {
		p, err := pricing.Embedded().Lookup("", name, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		if p.WebSearch != money.MustParse(want) {
			t.Errorf("%s: %s for a search, want %s", name, p.WebSearch, want)
		}
	}
}
