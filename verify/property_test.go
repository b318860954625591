package verify_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// Whatever was lost, billed or not, and whoever else uses the account: what is settled never takes an account above what its calls cost in truth, nor frees less than that, the
// books add up, and what is left can be settled by nobody's guess but a person's.
func TestSettledIsTrue(t *testing.T) {
	t.Parallel()
	proven := 0
	rapid.Check(t, func(r *rapid.T) {
		whose := rapid.SampledFrom([]string{verify.OpenAI, verify.Anthropic}).Draw(r, "whose")
		sent, billed, other := names(whose)
		w := newWorld(t, whose)
		model := func() (string, string) {
			if rapid.Bool().Draw(r, "other model") {
				return other, other
			}
			return sent, billed
		}
		at := func() time.Time {
			return firstDay.Add(time.Duration(rapid.Int64Range(0, int64(72*time.Hour)-1).Draw(r, "at")))
		}
		job := func() string { return rapid.SampledFrom([]string{"a", "b"}).Draw(r, "job") }
		tokens := func(least int64) (int64, int64) {
			in := rapid.Int64Range(least, 2000).Draw(r, "in")
			if in == 0 {
				return 0, 0
			}
			return in, rapid.Int64Range(0, 100).Draw(r, "out")
		}
		for range rapid.IntRange(0, 6).Draw(r, "complete") {
			m, b := model()
			in, out := tokens(1)
			w.complete(job(), m, b, at(), in, out)
		}
		for range rapid.IntRange(0, 3).Draw(r, "cut") {
			m, b := model()
			in, out := tokens(0)
			w.cut(job(), m, b, at(), rapid.Bool().Draw(r, "proven"), in, out)
		}
		if rapid.Bool().Draw(r, "death") {
			var wire []store.Call
			var amounts []money.USD
			for range rapid.IntRange(1, 3).Draw(r, "wire") {
				m, b := model()
				c := w.call(job(), m, at())
				in, out := tokens(0)
				c.Ended = time.Time{}
				lost := truth{c.Started, b, in, out, c.Job}
				wire, amounts = append(wire, c), append(amounts, lost.cost()+money.Milli)
				if in > 0 {
					w.truths = append(w.truths, lost)
				}
			}
			w.die(wire, amounts)
		}
		if rapid.IntRange(0, 3).Draw(r, "strangers") == 0 {
			m := "gpt-5-nano"
			if whose == verify.Anthropic {
				m = "claude-haiku-4-5-20251001"
			}
			w.truths = append(w.truths, truth{at(), m, 5000, 10, ""})
			if whose == verify.Anthropic { // beyond all that can be in doubt, so that it shows
				w.truths = append(w.truths, truth{firstDay, m, 10_000_000, 10, ""}, truth{firstDay.AddDate(0, 0, 1), m, 10_000_000, 10, ""}, truth{firstDay.AddDate(0, 0, 2), m, 10_000_000, 10, ""})
			}
		}
		form := rapid.SampledFrom([]string{"json", "csv"}).Draw(r, "form")
		var exports [][]byte
		bills := w.bills(4)
		switch rapid.IntRange(0, 2).Draw(r, "exports") {
		case 0:
			exports = append(exports, render(whose+" usage "+form, bills))
		case 1:
			exports = append(exports, render(whose+" costs "+form, bills))
		default:
			exports = append(exports, render(whose+" usage "+form, bills), render(whose+" costs "+form, bills))
		}
		before := map[string]store.Counter{}
		accounts := []string{"job:a", "job:b", "global"}
		for _, a := range accounts {
			before[a] = w.counter(a)
		}
		rep := w.compare(exports...)
		proven += len(rep.Proven)
		w.settle(rep)
		for _, a := range accounts {
			c, b := w.counter(a), before[a]
			name, _ := strings.CutPrefix(a, "job:")
			if a == "global" {
				name = ""
			}
			truth := w.spent(name)
			switch {
			case c.Spent.Cmp(truth) > 0:
				r.Fatalf("%s: spent %s, in truth %s; proven %+v", a, c.Spent, truth, rep.Proven)
			case c.Spent.Plus(c.Doubt).Cmp(truth) < 0:
				r.Fatalf("%s: spent %s and %s unconfirmed, in truth %s; proven %+v", a, c.Spent, c.Doubt, truth, rep.Proven)
			case c.Committed.Cmp(b.Committed) > 0 || c.Limit.Cmp(c.Committed) < 0 && b.Limit.Cmp(b.Committed) >= 0:
				r.Fatalf("%s: committed %s, it was %s", a, c.Committed, b.Committed)
			}
		}
		if err := storetest.CheckInvariants(context.Background(), w.st); err != nil {
			r.Fatal(err)
		}
		again := w.compare(exports...)
		calls := 0
		for _, l := range again.Left {
			calls += l.Calls
		}
		open, err := w.st.OpenDoubts(context.Background())
		if err != nil || len(open) != calls+len(again.Proven) {
			r.Fatalf("%d are open and %d left, %d proven: %v", len(open), calls, len(again.Proven), err)
		}
	})
	if proven == 0 {
		t.Error("nothing was ever proven")
	}
	t.Log(fmt.Sprint(proven, " calls were proven"))
}
