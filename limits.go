package aurea

import (
	"context"
	"maps"
	"reflect"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// shareRefresh is how often a process looks who else uses a model, and joinRefresh how often one that has no share yet.
	shareRefresh = 800 * time.Millisecond
	joinRefresh  = 200 * time.Millisecond
	// Another's use counts for shareWindow after it last told of it, by the store's clock. A process goes on with its share for no longer than shareKept after it asked how large that is,
	// by its own clocks: whoever is cut off from the store has stopped before the others take its share. So a dead process's share is free again within shareWindow.
	shareKept   = 10 * time.Second
	shareWindow = 12 * time.Second
	// roomTime is how long an answer of the store may be on its way to the others who have asked.
	roomTime = 250 * time.Millisecond
	// coldStart is for how long after the end of another process its last minute counts at the provider.
	coldStart = time.Minute + shareRefresh
)

type limitFunc func(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile)

// limits holds one limiter per provider, key and model. Processes on one store divide each limit by their number: every one notes that it uses the model
// before its first call, and looks about once a second who else does; what a provider told one of them to wait all learn then. Safe for concurrent use.
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
	urgent   chan limitID // a provider has told to wait
}

// birth is a limiter, which may be used when the store has been told of it.
type birth struct {
	lim      *ratelimit.Limiter
	ready    chan struct{}
	profile  ratelimit.Profile
	settings string
	round    int // of limits, when a call found it

	mu     sync.Mutex // one looks at a time
	asked  time.Time  // when the store last answered
	joined time.Time  // when it first told the store of itself, by the store's clock, while not all others know; else zero
}

// birthTimeout bounds how long the first call of a model waits for the store.
const birthTimeout = 5 * time.Second

type limitID struct{ provider, key, model string }

func (id limitID) String() string { return id.provider + "|" + id.key + "|" + id.model }

func newLimits(find limitFunc, st store.Ledger, owner func() store.OwnerID) *limits {
	return &limits{find: find, store: st, owner: owner, limiters: make(map[limitID]*birth), days: make(map[limitID]*dayShare), urgent: make(chan limitID, 16)}
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
	l.told(id, b.lim)
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
	l.begin(id, b, lim)
	return lim
}

// told has the store told soon of what a provider tells a limiter.
func (l *limits) told(id limitID, lim *ratelimit.Limiter) {
	lim.Notify(func() {
		select {
		case l.urgent <- id:
		default: // at the next look
		}
	})
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
	l.told(id, b.lim)
	b.lim.SetOwners(owners)
	b.lim.Attend(time.Now(), shareKept)
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

// begin finds out who else uses a limit, and takes a share of the day. Without an answer of the store there is no share.
func (l *limits) begin(id limitID, b *birth, lim *ratelimit.Limiter) {
	ctx, cancel := context.WithTimeout(context.Background(), birthTimeout)
	defer cancel()
	lim.Lapse()
	if users, ok := l.look(ctx, id, b, lim); ok && users.Now.Sub(users.Left) < coldStart {
		lim.ColdStart() // what the one before let through still counts at the provider
	}
	if share := l.shareOf(id, lim); share != nil {
		share.renew(ctx, l.store, id, lim)
	}
}

// look tells the store that this process uses the limit, and the limiter how many do and what a provider has told them. Without an answer the last share stays, for as long as it is kept.
func (l *limits) look(ctx context.Context, id limitID, b *birth, lim *ratelimit.Limiter) (store.ModelUsers, bool) {
	if !b.mu.TryLock() {
		return store.ModelUsers{}, false
	}
	defer b.mu.Unlock()
	asked := time.Now()
	users, err := l.store.UseModel(ctx, store.ModelUse{Owner: l.owner(), Key: id.String(), Now: asked, Window: shareWindow, Held: lim.Asked()})
	if err != nil {
		return users, false
	}
	lim.SetOwners(max(users.Owners, 1))
	if users.Held > 0 {
		lim.Told(users.Held)
	}
	if forgotten := asked.Round(0).Sub(b.asked.Round(0)) > shareKept || asked.Sub(b.asked) > shareKept; forgotten || b.joined.IsZero() && !lim.Attend(asked, shareKept) {
		b.joined = users.Now
	}
	b.asked = asked
	switch {
	case b.joined.IsZero():
	case users.Owners <= 1:
		b.joined = time.Time{}
		lim.Resume(asked, shareKept, 0)
	case users.Oldest.After(b.joined): // all have looked since
		b.joined = time.Time{}
		lim.Resume(asked, shareKept, roomTime)
	}
	return users, true
}

func (l *limits) watch(ctx context.Context) {
	defer close(l.stopped)
	tick, quick := time.NewTicker(shareRefresh), time.NewTicker(joinRefresh)
	defer tick.Stop()
	defer quick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-l.urgent:
			if b, lim := l.one(id); b != nil {
				l.look(ctx, id, b, lim)
			}
		case <-quick.C:
			for id, b := range l.births() {
				if lim, joins := l.joining(b); joins {
					l.look(ctx, id, b, lim)
				}
			}
		case <-tick.C:
			for id, b := range l.births() {
				_, lim := l.one(id)
				l.look(ctx, id, b, lim)
				if d := l.shareOf(id, lim); d != nil {
					d.renew(ctx, l.store, id, lim)
				}
			}
		}
	}
}

func (l *limits) births() map[limitID]*birth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.limiters)
}

// one returns a limiter as it is now.
func (l *limits) one(id limitID) (*birth, *ratelimit.Limiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.limiters[id]
	if !ok {
		return nil, nil
	}
	return b, b.lim
}

// joining reports whether a limiter has no share because not all others know of it yet.
func (l *limits) joining(b *birth) (lim *ratelimit.Limiter, joins bool) {
	if !b.mu.TryLock() {
		return nil, false // it is looking
	}
	joins = !b.joined.IsZero()
	b.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return b.lim, joins
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
