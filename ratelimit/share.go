package ratelimit

import "time"

const (
	// lapsed is the reason of a wait for a share that has to be asked for again.
	lapsed = "this process does not know its share of the limit now, which others may use"
	// lapseWait is advised meanwhile.
	lapseWait = time.Second
)

// Owners returns among how many processes the limits are divided.
func (l *Limiter) Owners() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.owners)
}

// SetOwners divides the limits among n processes that share them. A smaller share holds at once, also for what was let through in the last window. When it grows one call is left out:
// what its former owner let through counts at the provider for a minute more, and every process rounds for itself.
func (l *Limiter) SetOwners(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if n < 1 || int64(n) == l.owners {
		return
	}
	grows := int64(n) < l.owners
	l.owners = int64(n)
	l.apply(now)
	if grows {
		l.dims[dimRequests].skip(now)
	}
	l.pump()
}

// Attend says that others count on this process's share from now on for as long as d after it asked how large that is: by then it will have asked again. One that has not, because it was stopped,
// its machine slept, or it cannot reach those whom it asks, lets nothing through until [Limiter.Resume]: others may use its share by then. Attend then returns false and
// changes nothing. A limiter that nobody ever attended to never lapses, and neither does one without limits.
//
// Both clocks count: the monotonic one stands still while a machine sleeps, and the wall clock can be set back.
func (l *Limiter) Attend(asked time.Time, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lapsed(l.now()) {
		return false
	}
	l.attend(asked, d)
	return true
}

// Resume ends a lapse: this process has asked how large its share is, and all others know of it. Nothing goes for the time of room.
func (l *Limiter) Resume(asked time.Time, d, room time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared() {
		l.holdFor(l.now(), room, "other processes make room for this one")
	}
	l.attend(asked, d)
	l.pump()
}

// Lapse takes the share away until [Limiter.Resume].
func (l *Limiter) Lapse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awake = -1
}

func (l *Limiter) attend(asked time.Time, d time.Duration) {
	l.awake, l.awakeWall = int64(asked.Sub(l.base)+d), asked.Round(0).Add(d).UnixNano()
}

// lapsed reports whether nobody attended in time.
func (l *Limiter) lapsed(now int64) bool {
	return l.awake != 0 && (now > l.awake || time.Now().UnixNano() > l.awakeWall)
}

// shared reports whether there is anything to share.
func (l *Limiter) shared() bool {
	if l.limits.Concurrency > 0 {
		return true
	}
	for _, d := range l.dims {
		if d.limit > 0 {
			return true
		}
	}
	return false
}

// Asked returns for how long the provider has told this process to send nothing, as far as it did by a 429; 0 if it has not.
func (l *Limiter) Asked() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(max(0, l.asked-l.now()))
}

// Told says that the provider has told another process to send nothing for a time. What this one knows already changes nothing.
func (l *Limiter) Told(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now+int64(d) > l.held+int64(sameHold) {
		l.holdFor(now, d, providerAsked)
	}
}

// sameHold is how much two processes' notions of one wait may differ.
const sameHold = 100 * time.Millisecond

// Notify has f called when a provider tells to send nothing, so that others can be told. It must not block, and is set before the limiter is used.
func (l *Limiter) Notify(f func()) { l.notify = f }
