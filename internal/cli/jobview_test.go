package cli

import (
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
)

// The column of our own figures is there where a provider's are others.
func TestJobViewByThePriceTable(t *testing.T) {
	t.Parallel()
	sum := func(text string) money.Sum { return money.SumOf(money.MustParse(text)) }
	for _, c := range []struct {
		own   string
		there bool
	}{{"0.5", false}, {"0.25", true}} {
		v := jobView{Summary: jobs.Summary{ID: "a"}, ByModel: map[string]modelView{"m": {Calls: 1, Attempts: 1, Cost: sum("0.5"), Own: sum(c.own)}}}
		var out strings.Builder
		if err := printJob(v, &out); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "BY PRICE TABLE") && strings.Contains(out.String(), "0.25"); got != c.there {
			t.Errorf("own %s:\n%s", c.own, &out)
		}
	}
}
