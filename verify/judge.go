package verify

import (
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// unconfirmed is what is in doubt.
func (d *cell) unconfirmed() (sum money.Sum) {
	for _, o := range d.doubts {
		sum = sum.Add(o.Amount)
	}
	return sum
}

// surplus compares two sides: whether anything is more, or less, than ours.
func surplus(ours, theirs *figures) (more, less bool) {
	see := func(o, t int64) {
		if t != unsaid {
			more, less = more || t > o, less || t < o
		}
	}
	if theirs.hasTokens {
		see(ours.input, theirs.input)
		see(ours.output, theirs.output)
		see(ours.cacheRead, theirs.cacheRead)
		see(ours.cacheWrite, theirs.cacheWrite)
		if n := theirs.requests; n != unsaid && (theirs.present || ours.present) {
			more, less = more || n > ours.requests+ours.maybe, less || n < ours.requests
		}
	}
	if theirs.hasCost {
		off := theirs.cost.Minus(ours.cost)
		more, less = more || off.Cmp(theirs.slack) > 0, less || off.Plus(theirs.slack).Negative()
	}
	return more, less
}

// judge compares one day and model.
func (d *cell) judge() { d.verdict, d.note = judge(&d.ours, &d.theirs, d.doubts, d.covered) }

func judge(ours, theirs *figures, doubts []*store.OpenDoubt, covered bool) (Verdict, string) {
	nothing := ours.cost == money.Sum{} && ours.requests == 0 && ours.input+ours.output == 0
	switch {
	case !theirs.present && nothing && len(doubts) == 0:
		return Equal, ""
	case !theirs.present && (!nothing || !covered):
		return NotInExport, ""
	case !theirs.present:
		return Equal, "the export covers the day and has nothing of it"
	}
	more, less := surplus(ours, theirs)
	if !ours.present && len(doubts) == 0 {
		if more {
			return NotInLedger, ""
		}
		return Equal, ""
	}
	note := ""
	if ours.estimated > 0 && (more || less) {
		note = fmt.Sprintf("%d answers without usage were booked at their bound", ours.estimated)
	} else if ours.booked > 0 && (more || less) {
		note = fmt.Sprintf("%d calls were booked without a proof", ours.booked)
	}
	switch {
	case !more && !less:
		return Equal, note
	case more && less && !theirs.hasCost:
		return BilledMore, join(note, "of some kinds of token more, of others less")
	case more && len(doubts) > 0 && explained(ours, theirs, doubts):
		return WithinUnconfirmed, note
	case theirs.hasCost:
		off := theirs.cost.Minus(ours.cost)
		if off.Plus(theirs.slack).Negative() {
			return BilledLess, note
		}
		if off.Cmp(theirs.slack) <= 0 {
			note = join(note, "the dollars agree, the counts do not")
		}
	}
	if more {
		return BilledMore, note
	}
	return BilledLess, note
}

// explained reports whether what is billed more can be what is in doubt.
func explained(ours, theirs *figures, doubts []*store.OpenDoubt) bool {
	_, less := surplus(ours, theirs)
	if less {
		return false
	}
	if n := theirs.requests; theirs.hasTokens && n != unsaid && n > ours.requests+ours.maybe+int64(len(doubts)) {
		return false
	}
	if !theirs.hasCost {
		return true
	}
	most := ours.cost.Plus(theirs.slack)
	for _, d := range doubts {
		most = most.Add(d.Amount)
	}
	return theirs.cost.Cmp(most) <= 0
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
