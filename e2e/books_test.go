//go:build unix

package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
)

// job is what `jobs show --json` says.
type job struct {
	ID, State, Reason string
	Parent            *string
	Limit             money `json:"limit_usd"`
	Spent             money `json:"spent_usd"`
	Held              money `json:"held_usd"`
	Unconfirmed       money `json:"unconfirmed_usd"`
	Remaining         money `json:"remaining_usd"`
	Items             struct{ Total, Done, Failed, Pending int64 }
	Attempts          int64
	ByModel           map[string]struct {
		Calls, Attempts int64
		Cost            money `json:"cost_usd"`
	} `json:"by_model"`
}

// money is pico-dollars, read from decimal text by arithmetic that is not the program's.
type money struct{ big.Int }

// UnmarshalJSON reads a string such as "0.15".
func (m *money) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("money is a string in JSON: %w", err)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || strings.ContainsAny(s, "eE/") {
		return fmt.Errorf("%q is no decimal amount", s)
	}
	r.Mul(r, new(big.Rat).SetInt64(1_000_000_000_000))
	if !r.IsInt() {
		return fmt.Errorf("%q has more than 12 digits after the point", s)
	}
	m.Set(r.Num())
	return nil
}

func usd(s string) *big.Int {
	var m money
	if err := m.UnmarshalJSON([]byte(`"` + s + `"`)); err != nil {
		panic(err)
	}
	return &m.Int
}

func sum(all ...*big.Int) *big.Int {
	total := new(big.Int)
	for _, n := range all {
		total.Add(total, n)
	}
	return total
}

// show returns a job as the program shows it.
func (h *house) show(name string) job {
	h.tb.Helper()
	p := h.runs(0, "jobs", "show", name, "--json")
	var j job
	if err := json.Unmarshal([]byte(p.stdout.String()), &j); err != nil {
		h.tb.Fatalf("%s: %v", p.stdout, err)
	}
	byModel := new(big.Int)
	for _, m := range j.ByModel {
		byModel.Add(byModel, &m.Cost.Int)
	}
	if children := name == "parent"; byModel.Cmp(&j.Spent.Int) != 0 && !children { // a parent spends what its children spend, too
		h.tb.Errorf("job %s: the models' costs make %s, spent is %s", name, byModel, &j.Spent.Int)
	}
	if left := sum(&j.Spent.Int, &j.Unconfirmed.Int, &j.Remaining.Int); left.Cmp(&j.Limit.Int) != 0 && j.Remaining.Sign() > 0 {
		h.tb.Errorf("job %s: spent %s, unconfirmed %s and remaining %s do not make the limit %s", name, &j.Spent.Int, &j.Unconfirmed.Int, &j.Remaining.Int, &j.Limit.Int)
	}
	return j
}

// exact fails unless the books say what the provider billed, to the last digit.
func exact(tb testing.TB, spent, billed *big.Int) {
	tb.Helper()
	if spent.Cmp(billed) != 0 {
		tb.Errorf("spent %s pico-dollars, the provider billed %s", spent, billed)
	}
}

// bracket fails unless the provider's bill is between what is proven and what may be.
func bracket(tb testing.TB, spent, unconfirmed, billed *big.Int) {
	tb.Helper()
	if spent.Cmp(billed) > 0 {
		tb.Errorf("spent %s pico-dollars is more than the provider billed, %s", spent, billed)
	}
	if sum(spent, unconfirmed).Cmp(billed) < 0 {
		tb.Errorf("spent %s and unconfirmed %s pico-dollars do not cover the provider's bill, %s", spent, unconfirmed, billed)
	}
}

func within(tb testing.TB, billed, limit *big.Int) {
	tb.Helper()
	if billed.Cmp(limit) > 0 {
		tb.Errorf("OVERSPENT: the provider billed %s pico-dollars, the limit was %s", billed, limit)
	}
}

// result is a line of the results or of the failures.
type result struct {
	ID       string
	CustomID string `json:"custom_id"`
	Response *struct {
		Status    int             `json:"status_code"`
		RequestID string          `json:"request_id"`
		Body      json.RawMessage `json:"body"`
	}
	Error *struct{ Code, Message string }
}

func readResults(tb testing.TB, file string) (all []result) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			tb.Fatalf("%s: %q: %v", file, line, err)
		}
		all = append(all, r)
	}
	return all
}

// once fails unless the file holds results in input order, none twice; all says whether every id must be there.
func once(tb testing.TB, file string, ids []string, all bool) []result {
	tb.Helper()
	results := readResults(tb, file)
	next := 0
	for _, r := range results {
		at := slices.Index(ids[next:], r.CustomID)
		if at < 0 {
			tb.Fatalf("%s: result %q is twice there, out of order, or nobody asked for it", file, r.CustomID)
		}
		next += at + 1
		if r.Response == nil || r.Response.Status != 200 || r.Error != nil || r.Response.RequestID == "" {
			tb.Fatalf("%s: %q is no good result: %+v", file, r.CustomID, r)
		}
	}
	if all && len(results) != len(ids) {
		tb.Fatalf("%s has %d results, want %d", file, len(results), len(ids))
	}
	return results
}
