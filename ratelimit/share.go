package ratelimit

import "time"

const (
	// lapsed is the reason of a wait for a share that has to be asked for again.
	lapsed = "this process stood still, and others may use its share"
	// lapseWait is advised meanwhile.
	lapseWait = time.Second
)

// Owners returns among how many processes the limits are divided.
func (l *Limiter) Owners() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.owners)
}

// SetOwners divides the limits among n processes that share them. A smaller share holds at once, also for what was let through in the last window.
func (l *Limiter) SetOwners(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < 1 || int64(n) == l.owners {
		return
	}
	l.owners = int64(n)
	l.apply(l.now())
	l.pump()
}

// Attend says that this process, which shares the limits with others, is awake, and will say so again within d. One that does not, because it was stopped or its
// machine slept, lets nothing through when it wakes, until [Limiter.Resume]: the others may use its share by then. Attend then returns false and changes nothing. A
// limiter that nobody ever attended to never lapses.
//
// Both clocks count: the monotonic one stands still while a machine sleeps, and the wall clock can be set back.
func (l *Limiter) Attend(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.lapsed(now) {
		return false
	}
	l.attend(now, d)
	return true
}

// Resume ends a lapse: this process knows its share again, and will say within d that it is awake. Nothing goes for the time of room, in which the others make room.
func (l *Limiter) Resume(d, room time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.holdFor(now, room, "other processes make room for this one")
	l.attend(now, d)
	l.pump()
}

func (l *Limiter) attend(now int64, d time.Duration) {
	l.awake, l.awakeWall = now+int64(d), time.Now().Add(d).UnixNano()
}

// lapsed reports whether nobody attended in time.
func (l *Limiter) lapsed(now int64) bool {
	return l.awake != 0 && (now > l.awake || time.Now().UnixNano() > l.awakeWall)
}
