package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Period is how long an account's limit lasts.
type Period int

// Periods.
const (
	// None: the limit is for the account's whole life.
	None Period = iota
	// Day: the limit is for one day; the next day starts with all of it.
	Day
)

// AccountSpec names an account and the limit it gets if it is not there yet; one that is there keeps its own.
type AccountSpec struct {
	// Name is [store.AccountGlobal], or [store.JobPrefix] or [store.KeyPrefix] and a name.
	Name   string
	Limit  money.Sum
	Period Period
	// Location is where days begin; nil is UTC.
	Location *time.Location
}

// window returns the account's window at a wall time.
func (s AccountSpec) window(now time.Time) (start, end time.Time) {
	if s.Period != Day {
		return time.Time{}, time.Time{}
	}
	loc := s.Location
	if loc == nil {
		loc = time.UTC
	}
	y, m, d := now.In(loc).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, loc).UTC(), time.Date(y, m, d+1, 0, 0, 0, 0, loc).UTC()
}

// counterRef is a counter that a path goes through.
type counterRef struct {
	id      store.CounterID
	account string
	end     time.Time // of its window, wall time
	first   store.Counter
}

// Path is the accounts a call draws on. Windows roll over by themselves. Make one per job and keep it; it costs
// nothing while unused and need not be closed. It is safe for concurrent use.
type Path struct {
	t     *Tracker
	specs []AccountSpec

	// Guarded by Tracker.mu.
	refs   []counterRef
	ids    []store.CounterID
	until  time.Time // the first window to end; zero: none does
	leases []*lease  // of refs in run; nil: look them up
	run    *run
}

// Through reports whether the path goes through an account.
func (p *Path) Through(account string) bool {
	return slices.ContainsFunc(p.specs, func(s AccountSpec) bool { return s.Name == account })
}

// Path returns the path through the accounts, job first, then those above it, creating those that are not there. An account
// named twice with the same period counts once.
func (t *Tracker) Path(ctx context.Context, specs ...AccountSpec) (*Path, error) {
	if len(specs) == 0 {
		return nil, errors.New("budget: a path needs at least one account")
	}
	p := &Path{t: t}
	for _, s := range specs {
		if !slices.ContainsFunc(p.specs, func(o AccountSpec) bool { return o.Name == s.Name && o.Period == s.Period }) {
			p.specs = append(p.specs, s)
		}
	}
	if len(p.specs) > 64 {
		return nil, fmt.Errorf("budget: a path through %d accounts; 64 are the most", len(p.specs))
	}
	return p, p.open(ctx)
}

// open finds the counters of the windows that are now. Not under Tracker.mu.
func (p *Path) open(ctx context.Context) error {
	now := p.t.o.Now()
	var until time.Time
	refs := make([]counterRef, len(p.specs))
	ids := make([]store.CounterID, len(p.specs))
	for i, s := range p.specs {
		start, end := s.window(now)
		c, err := p.t.st.OpenCounter(ctx, store.CounterSpec{Account: s.Name, Window: start, Limit: s.Limit})
		if err != nil {
			return fmt.Errorf("budget: open account %s: %w", s.Name, err)
		}
		refs[i] = counterRef{id: c.ID, account: s.Name, end: end, first: c}
		ids[i] = c.ID
		if !end.IsZero() && (until.IsZero() || end.Before(until)) {
			until = end
		}
	}
	p.t.mu.Lock()
	p.refs, p.ids, p.until, p.leases = refs, ids, until, nil
	p.t.mu.Unlock()
	return nil
}

// rolled reports that a window has ended, so the path must be opened again.
func (p *Path) rolled() bool {
	return !p.until.IsZero() && !p.t.o.Now().Before(p.until)
}

// bind finds the leases of the present run. Under Tracker.mu; nil while there is no run.
func (p *Path) bind() []*lease {
	run := p.t.cur
	if run == nil {
		return nil
	}
	if p.run == run && p.leases != nil && !slices.ContainsFunc(p.leases, func(l *lease) bool { return l.gone }) {
		return p.leases
	}
	leases := make([]*lease, len(p.refs)) // holds keep the old slice
	for i, ref := range p.refs {
		l := run.leases[ref.id]
		if l == nil {
			now := time.Now()
			l = &lease{run: run, ref: ref, account: ref.first, since: now, used: now, exact: true}
			run.leases[ref.id] = l
		}
		leases[i] = l
	}
	p.run, p.leases = run, leases
	return leases
}

// Standing is where an account is.
type Standing struct {
	Account string
	// Window is the start of the account's window and ResetAt its end; zero for an account without windows.
	Window, ResetAt time.Time
	Closed          bool
	// Limit, Spent, Held and Unconfirmed as in [ExceededError]; Remaining is Limit − Spent − Unconfirmed, never below zero. Remaining − Held is what new calls can have now.
	Limit, Spent, Held, Unconfirmed, Remaining money.Sum
	// InFlight and Waiting count this process's calls on the account.
	InFlight, Waiting int
}

// Free returns Remaining − Held, never below zero: what a new call can have now.
func (s Standing) Free() money.Sum {
	f := s.Remaining.Minus(s.Held)
	if f.Negative() {
		return money.Sum{}
	}
	return f
}

func (l *lease) standing() Standing {
	s := Standing{
		Account: l.ref.account, Window: l.account.Window, ResetAt: l.ref.end, Closed: l.account.Closed,
		Limit: l.account.Limit, Spent: l.spentNow(), Held: l.heldNow(), Unconfirmed: l.doubtNow(),
		InFlight: l.open, Waiting: l.waiting,
	}
	if s.Remaining = l.restNow(); s.Remaining.Negative() {
		s.Remaining = money.Sum{}
	}
	return s
}

// Standing returns the accounts of a path in its order, as they are on the store now, with what this process has not written down yet.
func (t *Tracker) Standing(ctx context.Context, p *Path) ([]Standing, error) {
	if p.t != t {
		return nil, ErrForeign
	}
	// No round may change the leases between the store's snapshot and ours.
	if err := t.applying.lockIn(ctx); err != nil {
		return nil, fmt.Errorf("budget: no answer from the store in time: %w: %w", ErrUnavailable, err)
	}
	defer t.applying.unlock()
	t.mu.Lock()
	roll := p.rolled()
	t.mu.Unlock()
	if roll {
		if err := p.open(ctx); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	ids := p.ids
	t.mu.Unlock()
	counters, err := t.st.Counters(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("budget: read accounts: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	leases := p.bind()
	if leases == nil {
		return nil, fmt.Errorf("budget: %w: declared dead by another process, joining again", ErrUnavailable)
	}
	out := make([]Standing, len(leases))
	for i, l := range leases {
		l.see(counters[i])
		out[i] = l.standing()
	}
	return out, nil
}

// Glance is [Tracker.Standing] from memory: it costs no access to the store and may be behind by what other processes
// did in the last second, or longer where this process did not use the account.
func (t *Tracker) Glance(p *Path) []Standing {
	if p.t != t {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	leases := p.bind()
	out := make([]Standing, len(leases))
	for i, l := range leases {
		out[i] = l.standing()
	}
	return out
}
