package protocol

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Apply writes a round; see [store.Ledger].
func Apply(tx Tx, r store.Round) (store.RoundResult, error) {
	if err := checkEntries(r.Entries); err != nil {
		return store.RoundResult{}, err
	}
	if err := Live(tx, r.Owner, r.Epoch); err != nil {
		return store.RoundResult{}, err
	}
	leases, err := currentLeases(tx, r)
	if err != nil {
		return store.RoundResult{}, err
	}
	fresh, err := tx.InsertCalls(r.Entries)
	if err != nil {
		return store.RoundResult{}, err
	}
	if err := balance(r, leases, fresh); err != nil {
		return store.RoundResult{}, err
	}
	res := store.RoundResult{Leases: make([]store.LeaseState, len(r.Leases))}
	if res.Rejected, err = tx.Complete(r.Owner, r.Entries); err != nil {
		return store.RoundResult{}, err
	}
	if err := addDoubts(tx, r, fresh); err != nil {
		return store.RoundResult{}, err
	}
	// Counters last and in ascending order: they are what other processes contend for, and one order knows no deadlock.
	order := make([]int, len(r.Leases))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.Leases[a].Counter, r.Leases[b].Counter) })
	for _, i := range order {
		if res.Leases[i], err = applyLease(tx, r.Owner, leases[i], r.Leases[i]); err != nil {
			return store.RoundResult{}, err
		}
	}
	return res, nil
}

// Live returns [store.ErrFenced] unless the owner is live at the epoch.
func Live(tx Tx, id store.OwnerID, epoch int64) error {
	o, err := tx.Owner(id)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: owner %s never joined", store.ErrFenced, id)
	}
	if err != nil {
		return err
	}
	if o.State != store.OwnerLive || o.Epoch != epoch {
		return fmt.Errorf("%w: owner %s is %s at epoch %d, the round names %d", store.ErrFenced, id, o.State, o.Epoch, epoch)
	}
	return nil
}

func currentLeases(tx Tx, r store.Round) ([]Lease, error) {
	leases := make([]Lease, len(r.Leases))
	seen := make(map[store.CounterID]bool, len(r.Leases))
	for i, op := range r.Leases {
		if seen[op.Counter] {
			return nil, unbalanced("two changes of the lease on counter %d", op.Counter)
		}
		seen[op.Counter] = true
		l, err := tx.Lease(r.Owner, op.Counter)
		if err != nil {
			return nil, err
		}
		if l.Seq != op.Seq {
			return nil, fmt.Errorf("%w: counter %d is at %d, the round expects %d", store.ErrStale, op.Counter, l.Seq, op.Seq)
		}
		l.Counter = op.Counter
		leases[i] = l
	}
	return leases, nil
}

// balance checks that what leases are said to have spent and doubted is what the new rows say, counter by counter:
// otherwise the account and the sum of its calls would part for good.
func balance(r store.Round, leases []Lease, fresh []bool) error {
	type amounts struct{ cost, doubt money.Sum }
	rows := map[store.CounterID]amounts{}
	for i, e := range r.Entries {
		if !fresh[i] || (e.Call.Cost == 0 && e.Call.Doubt == 0) {
			continue
		}
		for _, id := range e.Call.Path {
			a := rows[id]
			rows[id] = amounts{a.cost.Add(e.Call.Cost), a.doubt.Add(e.Call.Doubt)}
		}
	}
	for i, op := range r.Leases {
		a := rows[op.Counter]
		delete(rows, op.Counter)
		if got := money.SumOf(op.Spent).Sub(leases[i].Spent); got != a.cost {
			return unbalanced("the lease on counter %d spends %s more, its calls %s", op.Counter, got, a.cost)
		}
		if got := money.SumOf(op.Doubt); got != a.doubt {
			return unbalanced("the lease on counter %d puts %s in doubt, its calls %s", op.Counter, got, a.doubt)
		}
	}
	for id, a := range rows {
		return unbalanced("calls cost %s and doubt %s on counter %d, and its lease is not in the round", a.cost, a.doubt, id)
	}
	return nil
}

func addDoubts(tx Tx, r store.Round, fresh []bool) error {
	for i, e := range r.Entries {
		if !fresh[i] || e.Call.Doubt == 0 {
			continue
		}
		for _, id := range e.Call.Path {
			if err := tx.AddDoubt(doubtOf(r.Owner, e.Call, id, e.Call.Doubt, r.Now)); err != nil {
				return err
			}
		}
	}
	return nil
}

func applyLease(tx Tx, owner store.OwnerID, l Lease, op store.LeaseOp) (store.LeaseState, error) {
	c, err := tx.Counter(op.Counter)
	if err != nil {
		return store.LeaseState{}, err
	}
	st, err := step(&c, &l, op)
	if err != nil {
		return store.LeaseState{}, err
	}
	if op.Close {
		if op.Seq != 0 {
			err = tx.DeleteLease(owner, op.Counter)
		}
	} else {
		err = tx.PutLease(owner, l)
	}
	if err != nil {
		return store.LeaseState{}, err
	}
	if err := tx.PutCounter(c); err != nil {
		return store.LeaseState{}, err
	}
	sum, err := tx.LeaseSpent(op.Counter)
	if err != nil {
		return store.LeaseState{}, err
	}
	st.Account = c.Shown(sum)
	return st, nil
}

// step does one op to a counter and a lease.
func step(c *Counter, l *Lease, op store.LeaseOp) (store.LeaseState, error) {
	st := store.LeaseState{Counter: op.Counter}
	for _, amount := range append([]money.USD{op.Spent, op.Force, op.Doubt, op.Give, op.Extra}, op.Wants...) {
		if amount < 0 {
			return st, unbalanced("a negative amount on counter %d", op.Counter)
		}
	}
	granted, err := l.Granted.Add(op.Force)
	if err != nil {
		return st, fmt.Errorf("lease on counter %d: %w", op.Counter, err)
	}
	if op.Spent < l.Spent || op.Spent > granted || op.Doubt > granted-op.Spent || op.Give > granted-op.Spent-op.Doubt {
		return st, unbalanced("the lease on counter %d has %s granted and cannot spend %s, doubt %s and give back %s",
			op.Counter, granted, op.Spent, op.Doubt, op.Give)
	}
	l.Spent, l.Granted = op.Spent, granted-op.Doubt-op.Give
	c.Committed = c.Committed.Add(op.Force).Sub(op.Give)
	c.Doubt = c.Doubt.Add(op.Doubt)
	for _, want := range op.Wants {
		if !grant(c, l, want) {
			break
		}
		st.Wants++
	}
	st.Extra = op.Extra > 0 && st.Wants == len(op.Wants) && grant(c, l, op.Extra)
	if op.WantedUntil.After(c.WantedUntil) {
		c.WantedUntil = op.WantedUntil
	} else if !op.WantedUntil.IsZero() {
		c.WantedUntil = c.WantedUntil.Add(1)
	}
	l.Seq++
	if op.Close {
		closeLease(c, l)
		return st, nil
	}
	st.Seq, st.Granted, st.Spent = l.Seq, l.Granted, l.Spent
	return st, nil
}

// grant moves an amount into the lease if the whole of it fits under the limit of an open account.
func grant(c *Counter, l *Lease, amount money.USD) bool {
	committed := c.Committed.Add(amount)
	granted, err := l.Granted.Add(amount)
	if c.Closed || err != nil || committed.Cmp(c.Limit) > 0 {
		return false
	}
	c.Committed, l.Granted = committed, granted
	return true
}

func closeLease(c *Counter, l *Lease) {
	c.Spent = c.Spent.Add(l.Spent)
	c.Committed = c.Committed.Sub(l.Granted - l.Spent)
	*l = Lease{Counter: l.Counter}
}

func checkEntries(entries []store.Entry) error {
	for i := range entries {
		c := &entries[i].Call
		switch {
		case c.ID == "" || c.Attempt < 0:
			return unbalanced("entry %d has no call id or a negative attempt", i)
		case c.Cost < 0 || c.Doubt < 0:
			return unbalanced("call %s has a negative amount", c.ID)
		}
		if err := checkPath(c); err != nil {
			return err
		}
		if err := checkCompletion(entries[i].Completion); err != nil {
			return err
		}
	}
	return nil
}

func checkPath(c *store.Call) error {
	for i, id := range c.Path {
		if slices.Contains(c.Path[:i], id) {
			return unbalanced("call %s names counter %d twice", c.ID, id)
		}
	}
	return nil
}

func checkCompletion(c *store.Completion) error {
	if c == nil {
		return nil
	}
	switch c.State {
	case store.ItemDone, store.ItemFailed:
		if c.Result == nil {
			return unbalanced("item %d of job %s is %s without a result", c.Seq, c.Job, c.State)
		}
	case store.ItemPending:
		if c.Result != nil {
			return unbalanced("item %d of job %s goes back with a result", c.Seq, c.Job)
		}
	default:
		return unbalanced("item %d of job %s cannot be completed as %q", c.Seq, c.Job, c.State)
	}
	return nil
}

func unbalanced(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrUnbalanced, fmt.Sprintf(format, args...))
}
