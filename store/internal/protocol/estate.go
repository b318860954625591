package protocol

import (
	"maps"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// estate is what dead owners left: their doubts and the counters these lie on, changed in memory
// and written at the end.
type estate struct {
	tx       Tx
	counters map[store.CounterID]*Counter
	doubts   []*store.Doubt // by ascending ID
	before   map[int64]money.USD
	open     map[attempt]bool // doubts with a call that were added here
}

type attempt struct {
	id string
	n  int
}

func newEstate(tx Tx) *estate {
	return &estate{tx: tx, counters: map[store.CounterID]*Counter{}, before: map[int64]money.USD{}, open: map[attempt]bool{}}
}

// load adds an owner's doubts.
func (e *estate) load(owner store.OwnerID) error {
	doubts, err := e.tx.DoubtsOf(owner)
	if err != nil {
		return err
	}
	for _, d := range doubts {
		e.doubts = append(e.doubts, &d)
		e.before[d.ID] = d.Amount
	}
	return nil
}

func (e *estate) counter(id store.CounterID) (*Counter, error) {
	if c, ok := e.counters[id]; ok {
		return c, nil
	}
	c, err := e.tx.Counter(id)
	if err != nil {
		return nil, err
	}
	e.counters[id] = &c
	return &c, nil
}

// take ends up to limit of the doubts that match on a counter, oldest first, and returns how much that was. It leaves
// committed alone: the caller says where the money went.
func (e *estate) take(id store.CounterID, limit money.Sum, m match) (money.Sum, error) {
	c, err := e.counter(id)
	if err != nil {
		return money.Sum{}, err
	}
	var taken money.Sum
	for _, d := range e.doubts {
		if d.Counter != id || d.Amount == 0 || !m(d) {
			continue
		}
		part := min(d.Amount, limit.Minus(taken).Clamp())
		d.Amount -= part
		taken = taken.Add(part)
	}
	c.Doubt = c.Doubt.Minus(taken)
	return taken, nil
}

// match chooses doubts of one owner.
type match func(*store.Doubt) bool

func callless(owner store.OwnerID) match {
	return func(d *store.Doubt) bool { return d.Owner == owner && d.Call == "" }
}

func ofCall(owner store.OwnerID, id string, attempt int) match {
	return func(d *store.Doubt) bool { return d.Owner == owner && d.Call == id && d.Attempt == attempt }
}

// ended books a call that turned out to have ended: what it cost and what of it is open come out of its own doubt, if it
// had one, then out of what the owner left unexplained, and then out of nothing: it is owed.
func (e *estate) ended(owner store.OwnerID, id store.CounterID, c store.Call, now time.Time) error {
	need := money.SumOf(c.Cost).Add(c.Doubt)
	own, err := e.take(id, money.Unlimited, ofCall(owner, c.ID, c.Attempt))
	if err != nil {
		return err
	}
	rest, err := e.take(id, need.Minus(own), callless(owner))
	if err != nil {
		return err
	}
	n := e.counters[id]
	n.Committed = n.Committed.Plus(need).Minus(own).Minus(rest)
	n.Spent, n.Doubt = n.Spent.Add(c.Cost), n.Doubt.Add(c.Doubt)
	if c.Doubt == 0 {
		return nil
	}
	return e.tx.AddDoubt(doubtOf(owner, c, id, c.Doubt, now))
}

// sent gives a hold without an end a doubt of its own. A call that has ended, or has its doubt, changes nothing.
func (e *estate) sent(owner store.OwnerID, h store.OpenHold, now time.Time) error {
	if h.Amount < 0 || h.Call.ID == "" || h.Call.Attempt < 0 {
		return unbalanced("a sent hold has no call id or a negative amount")
	}
	if err := checkPath(&h.Call); err != nil {
		return err
	}
	known, err := e.tx.HasCall(h.Call.ID, h.Call.Attempt)
	key := attempt{h.Call.ID, h.Call.Attempt}
	if err != nil || known || h.Amount == 0 || e.open[key] || slices.ContainsFunc(e.doubts, ofCall(owner, key.id, key.n)) {
		return err
	}
	e.open[key] = true
	for _, id := range h.Call.Path {
		rest, err := e.take(id, money.SumOf(h.Amount), callless(owner))
		if err != nil {
			return err
		}
		n := e.counters[id]
		n.Committed = n.Committed.Add(h.Amount).Minus(rest)
		n.Doubt = n.Doubt.Add(h.Amount)
		if err := e.tx.AddDoubt(doubtOf(owner, h.Call, id, h.Amount, now)); err != nil {
			return err
		}
	}
	return nil
}

// release ends what an owner left unexplained: it was not spent.
func (e *estate) release(owner store.OwnerID) error {
	for _, d := range e.doubts {
		if !callless(owner)(d) || d.Amount == 0 {
			continue
		}
		if err := e.end(d.Counter, money.SumOf(d.Amount), callless(owner), false); err != nil {
			return err
		}
	}
	return nil
}

// end takes doubt off a counter, as spent or as never spent.
func (e *estate) end(id store.CounterID, limit money.Sum, m match, spent bool) error {
	taken, err := e.take(id, limit, m)
	if err != nil {
		return err
	}
	if c := e.counters[id]; spent {
		c.Spent = c.Spent.Plus(taken)
	} else {
		c.Committed = c.Committed.Minus(taken)
	}
	return nil
}

// write puts back what changed: doubts, then counters in ascending order.
func (e *estate) write() error {
	for _, d := range e.doubts {
		if d.Amount == e.before[d.ID] {
			continue
		}
		if err := e.tx.SetDoubt(d.ID, d.Amount); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(e.counters)) {
		if err := e.tx.PutCounter(*e.counters[id]); err != nil {
			return err
		}
	}
	return nil
}
