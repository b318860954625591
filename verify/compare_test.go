package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// names of models as sent and as billed.
func names(whose string) (sent, billed, other string) {
	if whose == verify.Anthropic {
		return "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929"
	}
	return "gpt-4o", "gpt-4o-2024-08-06", "gpt-4.1-mini-2025-04-14"
}

func verdicts(r *verify.Report) (all []string) {
	for _, c := range r.Cells {
		all = append(all, c.Day[8:]+" "+c.Model+": "+string(c.Verdict))
	}
	return all
}

// Every format agrees with the calls it was made of, and lost answers that were not billed are released where the format can prove it.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, r := range renderings {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			sent, billed, other := names(r.whose)
			w := newWorld(t, r.whose)
			for i := range int64(5) {
				w.complete("a", sent, billed, firstDay.Add(time.Duration(i)*time.Hour), 1000+i, 70*i+1)
				w.complete("b", other, other, firstDay.AddDate(0, 0, 1).Add(time.Hour), 12_345+i, 7)
			}
			w.complete("b", other, other, firstDay.AddDate(0, 0, 2).Add(time.Hour), 9, 1)
			w.cut("a", sent, billed, firstDay.Add(time.Hour), false, 0, 0)
			rep := w.compare(r.write(w.bills(3)))
			fold := verify.Fold(r.whose, other)
			want := []string{"01 " + sent + ": equal", "02 " + fold + ": equal", "03 " + fold + ": equal"}
			if d := cmp.Diff(want, verdicts(rep)); d != "" || !rep.Agrees() {
				t.Fatalf("verdicts (-want +got):\n%s%v", d, rep.Cells)
			}
			if rounded := r.name == "anthropic costs csv"; rounded != (len(rep.Proven) == 0) {
				t.Fatalf("%d proven, left %+v", len(rep.Proven), rep.Left)
			} else if rounded {
				return
			}
			w.settle(rep)
			c := w.counter("job:a")
			if c.Spent != w.spent("a") || c.Doubt != (money.Sum{}) || c.Committed != c.Spent.Plus(c.Leased()) {
				t.Errorf("after the settlement: %+v, truth %s", c, w.spent("a"))
			}
			if again := w.compare(r.write(w.bills(3))); len(again.Proven)+len(again.Left) > 0 || !again.Agrees() {
				t.Errorf("compared again: %+v %+v", again.Proven, again.Left)
			}
		})
	}
}

// What was billed of a lost answer is booked where dollars are there and unrounded.
func TestBooked(t *testing.T) {
	t.Parallel()
	for _, whose := range []string{verify.OpenAI, verify.Anthropic} {
		for _, form := range []string{"json", "csv"} {
			for _, with := range []string{"costs", "usage", "both"} {
				t.Run(whose+" "+form+" "+with, func(t *testing.T) {
					t.Parallel()
					sent, billed, _ := names(whose)
					w := newWorld(t, whose)
					w.complete("a", sent, billed, firstDay.Add(time.Hour), 1000, 100)
					w.cut("a", sent, billed, firstDay.Add(2*time.Hour), true, 500, 50) // its input is proven
					wire := w.call("a", sent, firstDay.Add(3*time.Hour))
					wire.Ended = time.Time{}
					w.die([]store.Call{wire}, []money.USD{money.Cent})
					w.truths = append(w.truths, truth{wire.Started, billed, 300, 30, "a"})
					var exports [][]byte
					if with != "costs" {
						exports = append(exports, render(whose+" usage "+form, w.bills(2)))
					}
					if with != "usage" {
						exports = append(exports, render(whose+" costs "+form, w.bills(2)))
					}
					rep := w.compare(exports...)
					rounded := whose == verify.Anthropic && form == "csv"
					if with == "usage" || rounded {
						if len(rep.Proven) > 0 || len(rep.Left) != 1 || rep.Left[0].Calls != 2 {
							t.Fatalf("proven %+v, left %+v", rep.Proven, rep.Left)
						}
						return
					}
					if len(rep.Proven) != 2 || !rep.Agrees() || rep.Cells[0].Verdict != verify.WithinUnconfirmed {
						t.Fatalf("%+v\n%+v", rep.Proven, rep.Left)
					}
					w.settle(rep)
					if c := w.counter("job:a"); c.Spent != w.spent("a") || c.Doubt != (money.Sum{}) {
						t.Errorf("spent %s, in truth %s", c.Spent, w.spent("a"))
					}
					if again := w.compare(exports...); again.Cells[0].Verdict != verify.Equal {
						t.Errorf("compared again: %+v", again.Cells)
					}
				})
			}
		}
	}
}

// Each thing that may be wrong has its verdict, and nothing is settled on its strength.
func TestDifferences(t *testing.T) {
	t.Parallel()
	sent, billed, other := names(verify.OpenAI)
	at := firstDay.Add(time.Hour)
	for name, c := range map[string]struct {
		make    func(w *world)
		want    string
		proven  int
		because string
	}{
		"somebody else uses the account": {func(w *world) {
			w.complete("a", sent, billed, at, 10, 1)
			w.truths = append(w.truths, truth{at, other, 5, 5, ""})
			w.cut("a", sent, billed, at, false, 7, 7)
		}, "01 gpt-4.1-mini: not in the ledger, 01 gpt-4o: within unconfirmed", 0, "others may use the same account"},
		"more than can be in doubt": {func(w *world) {
			w.complete("a", sent, billed, at, 10, 1)
			w.cut("a", sent, billed, at, false, 0, 0)
			w.truths = append(w.truths, truth{at, billed, 5000, 5000, ""})
		}, "01 gpt-4o: billed more", 0, "others may use the same account"},
		"less than is booked": {func(w *world) {
			w.complete("a", sent, billed, at, 10, 1)
			w.cut("a", sent, billed, at, false, 0, 0)
			w.truths[0].in--
		}, "01 gpt-4o: billed less", 0, "less was billed"},
		"not in the export": {func(w *world) {
			w.complete("a", sent, billed, at, 10, 1)
			w.complete("a", other, other, at, 10, 1)
			w.truths = w.truths[:1]
			w.cut("a", "lost", "lost", at, false, 0, 0)
		}, "01 gpt-4.1-mini: not in the export, 01 gpt-4o: equal, 01 lost: equal", 0, "it is not complete"},
		"a model that was only lost": {func(w *world) {
			w.complete("a", sent, billed, at, 10, 1)
			w.cut("a", "lost", "lost", at, false, 0, 0)
		}, "01 gpt-4o: equal, 01 lost: equal", 1, ""},
		"nothing shows whose export it is": {func(w *world) {
			w.cut("a", sent, billed, at, false, 0, 0)
		}, "01 gpt-4o: equal", 0, "of this account"},
		"one of two jobs was billed": {func(w *world) {
			w.cut("a", sent, billed, at, false, 10, 1)
			w.cut("b", sent, billed, at, false, 0, 0)
		}, "01 gpt-4o: within unconfirmed", 0, "of several jobs"},
		"one of two calls of a job was billed": {func(w *world) {
			w.cut("a", sent, billed, at, false, 10, 1)
			w.cut("a", sent, billed, at, false, 0, 0)
		}, "01 gpt-4o: within unconfirmed", 2, ""},
		"an answer without usage": {func(w *world) {
			c := w.call("a", sent, at)
			c.Outcome, c.Cost = "estimated", money.Cent
			w.write(c)
			w.truths = append(w.truths, truth{at, billed, 10, 1, "a"})
			w.cut("a", sent, billed, at, false, 10, 1)
		}, "01 gpt-4o: billed less", 0, "booked at their bound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, verify.OpenAI)
			c.make(w)
			rep := w.compare(render("openai usage json", w.bills(1)), render("openai costs json", w.bills(1)))
			if got := strings.Join(verdicts(rep), ", "); got != c.want {
				t.Errorf("verdicts %s, want %s", got, c.want)
			}
			if len(rep.Proven) != c.proven {
				t.Errorf("proven: %+v", rep.Proven)
			}
			if c.because != "" && !slices.ContainsFunc(rep.Left, func(l verify.Remainder) bool { return strings.Contains(l.Why, c.because) }) {
				t.Errorf("left: %+v, want a reason with %q", rep.Left, c.because)
			}
			before := w.counter("global")
			w.settle(rep)
			if after := w.counter("global"); after.Spent.Cmp(w.spent("")) > 0 && before.Spent != after.Spent {
				t.Errorf("spent %s after, in truth %s", after.Spent, w.spent(""))
			}
		})
	}
}

// A call that ran over midnight may be on either day of the bill.
func TestMidnight(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
	w.complete("a", sent, billed, firstDay.AddDate(0, 0, 1).Add(-time.Second/2), 100, 10)
	w.complete("a", sent, billed, firstDay.AddDate(0, 0, 1).Add(time.Hour), 1000, 100)
	w.cut("a", sent, billed, firstDay.AddDate(0, 0, 1).Add(2*time.Hour), false, 0, 0)
	w.truths[1].at = firstDay.AddDate(0, 0, 1)
	rep := w.compare(render("openai usage json", w.bills(2)))
	if !rep.Agrees() || len(rep.Cells) != 2 || !strings.Contains(rep.Cells[0].Note, "midnight") || len(rep.Proven) != 1 {
		t.Fatalf("%+v\n%+v", rep.Cells, rep.Left)
	}
	// With the other day out of sight, nothing of the neighbour is proven.
	b := w.books(render("openai usage json", w.bills(2)))
	rep = verify.Compare(b, w.ledger(), verify.Options{From: firstDay.AddDate(0, 0, 1), Now: firstDay.AddDate(1, 0, 0), MaxCall: time.Minute})
	if len(rep.Proven) > 0 || len(rep.Left) != 1 || !strings.Contains(rep.Left[0].Why, "midnight") {
		t.Fatalf("one day alone: %+v %+v", rep.Proven, rep.Left)
	}
}

// A day whose books are open is not settled, unless somebody says that they are closed.
func TestLag(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
	w.cut("a", sent, billed, firstDay.Add(time.Hour), false, 0, 0)
	b := w.books(render("openai usage csv", w.bills(1)))
	for _, c := range []struct {
		now   time.Time
		final bool
		want  int
	}{
		{firstDay.Add(20 * time.Hour), false, 0},
		{firstDay.Add(20 * time.Hour), true, 1},
		{firstDay.Add(30*time.Hour - 1), false, 0},
		{firstDay.Add(30 * time.Hour), false, 1},
	} {
		rep := verify.Compare(b, w.ledger(), verify.Options{Now: c.now, Lag: 6 * time.Hour, Final: c.final, MaxCall: time.Minute})
		if len(rep.Proven) != c.want {
			t.Errorf("at %s (final %v): %d proven, %+v", c.now, c.final, len(rep.Proven), rep.Left)
		}
	}
}

// Money that nobody can lay to a call keeps a surplus from being booked.
func TestUnexplained(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.cut("a", sent, billed, firstDay.Add(time.Hour), false, 10, 1)
	ctx := context.Background()
	id := w.counter("job:a").ID
	_, err := w.st.Apply(ctx, store.Round{Owner: w.owner, Epoch: 1, Now: firstDay, Leases: []store.LeaseOp{{Counter: id, Seq: w.leases[id].Seq, Wants: []money.USD{money.Milli}}}})
	w.ok(err)
	w.ok(w.st.Declare(ctx, w.owner, firstDay))
	rep := w.compare(render("openai costs csv", w.bills(1)))
	if len(rep.Proven) > 0 || rep.Unexplained != money.SumOf(money.Milli) || len(rep.Left) != 1 {
		t.Fatalf("%+v %+v %s", rep.Proven, rep.Left, rep.Unexplained)
	}
	// Once somebody has booked that by hand, the surplus may be what he booked.
	w.join()
	w.cut("b", sent, billed, firstDay.Add(time.Hour), false, 10, 1)
	_, err = w.st.Reconcile(ctx, []store.CounterID{id}, "a", true, firstDay.AddDate(0, 0, 5))
	w.ok(err)
	rep = w.compare(render("openai costs csv", w.bills(1)))
	if len(rep.Proven) > 0 || len(rep.Left) != 1 || !strings.Contains(rep.Left[0].Why, "booked") {
		t.Fatalf("%+v %+v", rep.Proven, rep.Left)
	}
}

// An export of dollars by day alone is compared over all models.
func TestAllModels(t *testing.T) {
	t.Parallel()
	sent, billed, other := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
	w.complete("a", other, other, firstDay.Add(time.Hour), 20, 2)
	w.cut("a", sent, billed, firstDay.Add(time.Hour), false, 0, 0)
	page := `{"data":[{"object":"bucket","start_time":1772323200,"end_time":1772409600,"results":[{"object":"organization.costs.result","amount":{"value":"` +
		w.spent("a").String() + `000","currency":"usd"},"line_item":null,"project_id":null}]}],"has_more":false}`
	rep := w.compare([]byte(page))
	if got := strings.Join(verdicts(rep), ", "); got != "01 all models: equal" || len(rep.Proven) != 1 {
		t.Errorf("%s: %+v %+v", got, rep.Cells, rep.Left)
	}
	rep = w.compare([]byte(page), render("openai usage json", w.bills(1)))
	if got := strings.Join(verdicts(rep), ", "); got != "01 all models: equal, 01 gpt-4.1-mini: equal, 01 gpt-4o: equal" || len(rep.Proven) != 1 {
		t.Errorf("%s: %+v %+v", got, rep.Cells, rep.Left)
	}
	if *rep.Total.Cost != w.spent("a") || *rep.Billed.Cost != w.spent("a") {
		t.Errorf("totals count twice: %s %s", rep.Total.Cost, rep.Billed.Cost)
	}
}

// Filters take what is of a key or project, and say what they could not tell.
func TestFilters(t *testing.T) {
	t.Parallel()
	csv := "usage_date_utc,model_version,api_key,workspace,usage_input_tokens_no_cache,usage_output_tokens\n" +
		"2026-03-01,claude-haiku-4-5-20251001,ours,Default,10,1\n2026-03-01,claude-haiku-4-5-20251001,theirs,Default,77,7\n2026-03-01,claude-haiku-4-5-20251001,,Default,5,5\n"
	w := newWorld(t, verify.Anthropic)
	w.complete("a", "claude-haiku-4-5", "", firstDay.Add(time.Hour), 10, 1)
	b := verify.Books{Filter: verify.Filter{Keys: []string{"ours"}}}
	if err := b.Read(bytes.NewReader([]byte(csv)), "x.csv", ""); err != nil {
		t.Fatal(err)
	}
	w.cut("a", "claude-haiku-4-5", "", firstDay.Add(2*time.Hour), false, 0, 0)
	rep := verify.Compare(&b, w.ledger(), verify.Options{Now: firstDay, Final: true})
	if !rep.Agrees() || len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "1 entries") || b.Unmatched() {
		t.Errorf("%+v %q", rep.Cells, rep.Notes)
	}
	if len(rep.Proven) > 0 || len(rep.Left) != 1 || !strings.Contains(rep.Left[0].Why, "do not say their key") {
		t.Errorf("what does not say its key may be ours: %+v %+v", rep.Proven, rep.Left)
	}
	none := verify.Books{Filter: verify.Filter{Keys: []string{"mistyped"}}}
	if err := none.Read(strings.NewReader(csv), "x.csv", ""); err != nil || !none.Unmatched() {
		t.Errorf("a key that is not there: %v", err)
	}
}

// Usage without the lost call and costs with it contradict each other: nothing is released, and nothing booked.
func TestUsageThatLagsBehindItsCosts(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
	early := render("openai usage json", w.bills(1))
	w.cut("a", sent, billed, firstDay.Add(2*time.Hour), false, 7, 7)
	rep := w.compare(early, render("openai costs json", w.bills(1)))
	if len(rep.Proven) > 0 || len(rep.Left) != 1 || !strings.Contains(rep.Left[0].Why, "lag behind") {
		t.Errorf("proven %+v, left %+v", rep.Proven, rep.Left)
	}
}

// Completions are exported without embeddings, and these without them: a line of the one says nothing of the other.
func TestUsageOfOtherEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lost   string
		costs  bool
		more   string // a model with a confirmed call
		proven int
	}{
		{"text-embedding-3-small", false, "", 0},
		{"text-embedding-3-small", true, "", 1},
		{"text-embedding-3-small", false, "text-embedding-3-large", 1},
		{"gpt-4.1", false, "", 1},
	} {
		sent, billed, _ := names(verify.OpenAI)
		w := newWorld(t, verify.OpenAI)
		w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
		if c.more != "" {
			w.complete("a", c.more, c.more, firstDay.Add(time.Hour), 10, 0)
		}
		w.cut("a", c.lost, c.lost, firstDay.Add(2*time.Hour), false, 0, 0)
		exports := [][]byte{render("openai usage json", w.bills(1))}
		if c.costs {
			exports = append(exports, render("openai costs json", w.bills(1)))
		}
		if rep := w.compare(exports...); len(rep.Proven) != c.proven {
			t.Errorf("%+v: proven %+v, left %+v", c, rep.Proven, rep.Left)
		}
	}
}

// What an export does not reach over is not proven by its silence, though it has entries of the day.
func TestHalfADayIsNoDay(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	hours := func(from, to int, form string) []byte {
		var b strings.Builder
		if form == "csv" {
			b.WriteString("start_time,end_time,model,input_tokens,output_tokens,num_model_requests\n")
		} else {
			b.WriteString(`{"data":[`)
		}
		for h := from; h < to; h++ {
			start := firstDay.Add(time.Duration(h) * time.Hour).Unix()
			switch form {
			case "csv":
				fmt.Fprintf(&b, "%d,%d,%s,%d,%d,%d\n", start, start+3600, billed, map[bool]int{true: 10}[h == 9], map[bool]int{true: 1}[h == 9], map[bool]int{true: 1}[h == 9])
			default:
				results := ""
				if h == 9 {
					results = `{"object":"organization.usage.completions.result","input_tokens":10,"output_tokens":1,"num_model_requests":1,"model":"` + billed + `"}`
				}
				comma := ","
				if h == to-1 {
					comma = ""
				}
				fmt.Fprintf(&b, `{"start_time":%d,"end_time":%d,"results":[%s]}%s`, start, start+3600, results, comma)
			}
		}
		if form == "json" {
			b.WriteString(`],"has_more":false}`)
		}
		return []byte(b.String())
	}
	for _, form := range []string{"json", "csv"} {
		for _, c := range []struct{ from, to, lost, proven int }{
			{0, 24, 15, 1}, {0, 16, 15, 1}, {0, 15, 15, 0}, {0, 12, 15, 0}, {8, 24, 7, 0}, {8, 24, 8, 1},
		} {
			w := newWorld(t, verify.OpenAI)
			w.complete("a", sent, billed, firstDay.Add(9*time.Hour), 10, 1)
			w.cut("a", sent, billed, firstDay.Add(time.Duration(c.lost)*time.Hour), false, 0, 0)
			rep := w.compare(hours(c.from, c.to, form))
			if len(rep.Proven) != c.proven {
				t.Errorf("%s, hours %d to %d, lost at %d: proven %+v, left %+v", form, c.from, c.to, c.lost, rep.Proven, rep.Left)
			}
		}
	}
}

// An export that was made before the day's books were closed stays as old as it is.
func TestAnExportMadeTooEarly(t *testing.T) {
	t.Parallel()
	sent, billed, _ := names(verify.OpenAI)
	w := newWorld(t, verify.OpenAI)
	w.complete("a", sent, billed, firstDay.Add(time.Hour), 10, 1)
	w.cut("a", sent, billed, firstDay.Add(15*time.Hour), false, 0, 0)
	b := w.books(render("openai usage json", w.bills(1)))
	for made, want := range map[time.Duration]int{12 * time.Hour: 0, 29 * time.Hour: 0, 30 * time.Hour: 1, 1e6 * time.Hour: 1} {
		rep := verify.Compare(b, w.ledger(), verify.Options{Now: firstDay.AddDate(1, 0, 0), Made: firstDay.Add(made), Lag: 6 * time.Hour, MaxCall: time.Minute})
		if len(rep.Proven) != want {
			t.Errorf("made after %s: proven %+v, left %+v", made, rep.Proven, rep.Left)
		}
	}
}
