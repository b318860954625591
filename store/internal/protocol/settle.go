package protocol

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Settle ends the doubts of single attempts; see [store.Ledger].
func Settle(tx Tx, all []store.Settlement, now time.Time) ([]bool, error) {
	e, loaded, done := newEstate(tx), map[store.OwnerID]bool{}, make([]bool, len(all))
	calls := map[callKey][]*store.Doubt{}
	for i := range all {
		s := &all[i]
		if err := checkSettlement(s); err != nil {
			return nil, err
		}
		if !loaded[s.Owner] {
			loaded[s.Owner] = true
			from := len(e.doubts)
			if err := e.load(s.Owner); err != nil {
				return nil, err
			}
			for _, d := range e.doubts[from:] {
				calls[keyOf(d)] = append(calls[keyOf(d)], d)
			}
		}
		var err error
		if done[i], err = e.settleCall(s, calls[callKey{s.Owner, s.Call, s.Attempt}], now); err != nil {
			return nil, err
		}
	}
	return done, e.write()
}

type callKey struct {
	owner   store.OwnerID
	call    string
	attempt int
}

func keyOf(d *store.Doubt) callKey { return callKey{d.Owner, d.Call, d.Attempt} }

func checkSettlement(s *store.Settlement) error {
	switch {
	case s.Call == "" || s.Attempt < 0:
		return unbalanced("a settlement needs a call and an attempt")
	case s.Cost < 0 || s.Doubt < 0 || s.InputTokens < 0 || s.CacheReadTokens < 0 || s.CacheWriteTokens < 0 || s.OutputTokens < 0:
		return unbalanced("the settlement of call %s has a negative amount", s.Call)
	case s.Outcome != store.OutcomeVerified && s.Outcome != store.OutcomeExpected:
		return unbalanced("the settlement of call %s has the outcome %q", s.Call, s.Outcome)
	}
	return nil
}

// settleCall ends the doubts of one attempt, and reports whether they were what the caller saw.
func (e *estate) settleCall(s *store.Settlement, doubts []*store.Doubt, now time.Time) (bool, error) {
	var most money.USD
	for _, d := range doubts {
		most = max(most, d.Amount)
	}
	if most == 0 || most != s.Doubt {
		return false, nil
	}
	row := rowOf(doubts[0])
	row.Outcome, row.Ended, row.Cost = s.Outcome, now, s.Cost
	row.InputTokens, row.CacheReadTokens, row.CacheWriteTokens, row.OutputTokens = s.InputTokens, s.CacheReadTokens, s.CacheWriteTokens, s.OutputTokens
	for _, d := range doubts {
		if s.Cost > d.Amount {
			return false, unbalanced("call %s cannot have cost %s: %s of it is open on counter %d", s.Call, s.Cost, d.Amount, d.Counter)
		}
		c, err := e.counter(d.Counter)
		if err != nil {
			return false, err
		}
		c.Doubt, c.Spent, c.Committed = c.Doubt.Sub(d.Amount), c.Spent.Add(s.Cost), c.Committed.Sub(d.Amount-s.Cost)
		d.Amount = 0
		row.Path = append(row.Path, d.Counter)
	}
	slices.Sort(row.Path)
	known, err := e.tx.HasCall(s.Call, s.Attempt)
	if err != nil {
		return false, err
	}
	if known || s.Cost == 0 { // the attempt's own place stays free for its owner's word, should that live after all
		row.Attempt = ^s.Attempt
	}
	fresh, err := e.tx.InsertCalls([]store.Entry{{Call: row}})
	if err != nil {
		return false, err
	}
	if !fresh[0] && s.Cost > 0 {
		return false, unbalanced("call %s was reconciled before", s.Call)
	}
	return true, nil
}

// OpenDoubts gathers the doubts of single counters by the attempts that have them, in the order of their first.
func OpenDoubts(doubts []store.Doubt) []store.OpenDoubt {
	at, all := map[callKey]int{}, []store.OpenDoubt(nil)
	for i := range doubts {
		d := &doubts[i]
		n, there := at[keyOf(d)]
		if !there || d.Call == "" {
			n = len(all)
			at[keyOf(d)] = n
			all = append(all, store.OpenDoubt{
				Owner: d.Owner, Call: d.Call, Attempt: d.Attempt, Job: d.Job, Provider: d.Provider, Model: d.Model, Upstream: d.Upstream,
				Started: d.Started, Since: d.Since, Amount: d.Amount, Least: d.Amount,
			})
		}
		o := &all[n]
		o.Path = append(o.Path, d.Counter)
		o.Amount, o.Least = max(o.Amount, d.Amount), min(o.Least, d.Amount)
	}
	for i := range all {
		slices.Sort(all[i].Path)
	}
	return all
}

// DayKey is what [store.DaySum] sums by.
type DayKey struct {
	Day                int64 // since 1970
	Provider, Upstream string
}

// SortedDays returns sums by day, provider and model.
func SortedDays(sums map[DayKey]*store.DaySum) []store.DaySum {
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b DayKey) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Upstream, b.Upstream))
	})
	all := make([]store.DaySum, len(keys))
	for i, k := range keys {
		all[i] = *sums[k]
		all[i].Day, all[i].Provider, all[i].Upstream = time.Unix(k.Day*86400, 0).UTC(), k.Provider, k.Upstream
	}
	return all
}
