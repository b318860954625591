package aurea

import (
	"context"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// shareRefresh is how often a process looks who else uses a model, and shareWindow how long another's use counts.
	shareRefresh = time.Second
	shareWindow  = 5 * shareRefresh
	// coldStart is for how long after the end of another process its last minute counts at the provider.
	coldStart = time.Minute + shareRefresh
)

type limitFunc func(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile)

// limits holds one limiter per provider, key and model. Processes on one store divide each limit by their number: every one notes that it uses the model
// before its first call, and looks once a second who else does. Safe for concurrent use.
type limits struct {
	find  limitFunc
	store store.Ledger
	owner func() store.OwnerID

	mu       sync.Mutex
	limiters map[limitID]*birth
	days     map[limitID]*dayShare
	stop     context.CancelFunc
	stopped  chan struct{}
	closed   bool
}

// birth is a limiter, which may be used when the store has been told of it.
type birth struct {
	lim   *ratelimit.Limiter
	ready chan struct{}
}

// birthTimeout bounds how long the first call of a model waits for the store.
const birthTimeout = 5 * time.Second

type limitID struct{ provider, key, model string }

func (id limitID) String() string { return id.provider + "|" + id.key + "|" + id.model }

func newLimits(find limitFunc, st store.Ledger, owner func() store.OwnerID) *limits {
	return &limits{find: find, store: st, owner: owner, limiters: make(map[limitID]*birth), days: make(map[limitID]*dayShare)}
}

// of returns the limiter, made at its first use. Calls of other models do not wait for that.
func (l *limits) of(up *upstream, key int, model, settings string) *ratelimit.Limiter {
	id := limitID{up.Name(), up.Keys()[key], model}
	l.mu.Lock()
	if b, ok := l.limiters[id]; ok {
		l.mu.Unlock()
		<-b.ready
		return b.lim
	}
	allowance, profile := l.find(id.provider, model, settings)
	b := &birth{lim: ratelimit.New(allowance, profile), ready: make(chan struct{})}
	l.limiters[id] = b
	if l.closed {
		b.lim.Close()
	} else if l.stop == nil {
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		l.stopped = make(chan struct{})
		go l.watch(ctx)
	}
	l.mu.Unlock()
	defer close(b.ready)
	l.begin(id, b.lim, allowance)
	return b.lim
}

// begin finds out who else uses a limit, and takes a share of the day.
func (l *limits) begin(id limitID, lim *ratelimit.Limiter, allowance ratelimit.Limits) {
	ctx, cancel := context.WithTimeout(context.Background(), birthTimeout)
	defer cancel()
	owners, left := l.look(ctx, id, lim)
	if time.Since(left) < coldStart {
		lim.ColdStart() // what the one before let through still counts at the provider
	}
	if owners > 1 && allowance != (ratelimit.Limits{}) {
		lim.HoldFor(shareRefresh+shareRefresh/2, "other processes make room for this one")
	}
	if _, ok := lim.Day(); ok {
		share := &dayShare{}
		share.renew(ctx, l.store, id, lim)
		l.mu.Lock()
		l.days[id] = share
		l.mu.Unlock()
	}
}

// look tells the store that this process uses the limit, and the limiter how many do. Without an answer the last share stays. left is when a process that
// is gone last used it.
func (l *limits) look(ctx context.Context, id limitID, lim *ratelimit.Limiter) (owners int, left time.Time) {
	now := time.Now()
	n, left, err := l.store.UseModel(ctx, l.owner(), id.String(), now, now.Add(-shareWindow))
	if err != nil {
		return 0, left
	}
	lim.SetOwners(max(n, 1))
	return n, left
}

func (l *limits) watch(ctx context.Context) {
	defer close(l.stopped)
	tick := time.NewTicker(shareRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for id, lim := range l.all() {
				l.look(ctx, id, lim)
				if d := l.day(id); d != nil {
					d.renew(ctx, l.store, id, lim)
				}
			}
		}
	}
}

func (l *limits) all() map[limitID]*ratelimit.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[limitID]*ratelimit.Limiter, len(l.limiters))
	for id, b := range l.limiters {
		all[id] = b.lim
	}
	return all
}

// close refuses the calls that wait for an allowance, and gives back what the day's shares have left.
func (l *limits) close() {
	l.mu.Lock()
	l.closed = true
	stop, stopped := l.stop, l.stopped
	l.mu.Unlock()
	for _, lim := range l.all() {
		lim.Close() // what has not begun does not begin
	}
	if stop == nil {
		return
	}
	stop()
	<-stopped
	ctx, cancel := context.WithTimeout(context.Background(), shareRefresh)
	defer cancel()
	for id, lim := range l.all() {
		if d := l.day(id); d != nil {
			d.giveBack(ctx, l.store, id, lim)
		}
	}
}
