package aurea

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// shareRefresh is how often a process looks who else uses a model, and shareWindow how long another's use counts.
	shareRefresh = time.Second
	shareWindow  = 5 * shareRefresh
	// A process that stood still for stillAfter asks for its share again: that is sooner than the others take it, with a second for clocks that differ. A newcomer, and
	// one that comes back, waits for roomTime until the others have looked.
	stillAfter = shareWindow - 2*shareRefresh
	roomTime   = shareRefresh + shareRefresh/2
	// coldStart is for how long after the end of another process its last minute counts at the provider.
	coldStart = time.Minute + shareRefresh
)

type limitFunc func(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile)

// limits holds one limiter per provider, key and model. Processes on one store divide each limit by their number: every one notes that it uses the model
// before its first call, and looks once a second who else does. Safe for concurrent use.
type limits struct {
	store store.Ledger
	owner func() store.OwnerID

	mu       sync.Mutex
	find     limitFunc
	round    int // how often find was replaced
	limiters map[limitID]*birth
	days     map[limitID]*dayShare
	stop     context.CancelFunc
	stopped  chan struct{}
	closed   bool
}

// birth is a limiter, which may be used when the store has been told of it.
type birth struct {
	lim      *ratelimit.Limiter
	ready    chan struct{}
	profile  ratelimit.Profile
	settings string
	round    int // of limits, when a call found it
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
		if b.round != l.round {
			b.round, b.settings = l.round, settings
			l.renew(id, b)
		}
		lim := b.lim
		l.mu.Unlock()
		<-b.ready
		return lim
	}
	allowance, profile := l.find(id.provider, model, settings)
	b := &birth{lim: ratelimit.New(allowance, profile), ready: make(chan struct{}), profile: profile, settings: settings, round: l.round}
	l.limiters[id] = b
	if l.closed {
		b.lim.Close()
	} else if l.stop == nil {
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		l.stopped = make(chan struct{})
		go l.watch(ctx)
	}
	lim := b.lim
	l.mu.Unlock()
	defer close(b.ready)
	l.begin(id, lim, allowance)
	return lim
}

// configure replaces the limits that are configured. Calls that wait already follow the new ones.
func (l *limits) configure(find limitFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.find = find
	l.round++
	for id, b := range l.limiters {
		l.renew(id, b) // and once more when a call comes: perhaps by another name
	}
}

// renew gives a limiter the limits that are configured now. Where the provider is said to count otherwise, a new one begins from cold. Under mu.
func (l *limits) renew(id limitID, b *birth) {
	allowance, profile := l.find(id.provider, id.model, b.settings)
	if reflect.DeepEqual(profile, b.profile) {
		b.lim.Configure(allowance)
		return
	}
	owners := b.lim.Owners()
	b.lim, b.profile = ratelimit.New(allowance, profile), profile
	b.lim.SetOwners(owners)
	b.lim.ColdStart()
	delete(l.days, id) // what the one before took of the day stays taken
}

// allowance is what is configured for a model.
func (l *limits) allowance(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile) {
	l.mu.Lock()
	find := l.find
	l.mu.Unlock()
	return find(provider, model, settings)
}

// begin finds out who else uses a limit, and takes a share of the day.
func (l *limits) begin(id limitID, lim *ratelimit.Limiter, allowance ratelimit.Limits) {
	ctx, cancel := context.WithTimeout(context.Background(), birthTimeout)
	defer cancel()
	owners, left := l.look(ctx, id, lim)
	lim.Attend(stillAfter)
	if time.Since(left) < coldStart {
		lim.ColdStart() // what the one before let through still counts at the provider
	}
	if owners > 1 && allowance != (ratelimit.Limits{}) {
		lim.HoldFor(roomTime, "other processes make room for this one")
	}
	if share := l.shareOf(id, lim); share != nil {
		share.renew(ctx, l.store, id, lim)
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
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { l.attend(ctx) })
	tick := time.NewTicker(shareRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for id, lim := range l.all() {
				l.refresh(ctx, id, lim)
				if d := l.shareOf(id, lim); d != nil {
					d.renew(ctx, l.store, id, lim)
				}
			}
		}
	}
}

// refresh looks, and takes up a share again that lapsed, once the store has told how large it is.
func (l *limits) refresh(ctx context.Context, id limitID, lim *ratelimit.Limiter) {
	away, asked := !lim.Attend(stillAfter), time.Now()
	owners, _ := l.look(ctx, id, lim)
	switch {
	case !away || owners == 0:
	case time.Since(asked) > shareRefresh: // an old answer, to one that stood still again perhaps
	case owners == 1:
		lim.Resume(stillAfter, 0)
	default:
		lim.Resume(stillAfter, roomTime)
	}
}

// attend tells the limiters that this process is awake. It asks nobody, so a slow store does not look like a sleep.
func (l *limits) attend(ctx context.Context) {
	tick := time.NewTicker(shareRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, lim := range l.all() {
				lim.Attend(stillAfter)
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
