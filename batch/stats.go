package batch

import (
	"sync"
	"sync/atomic"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Progress is where a run stands now.
type Progress struct {
	Total, Done, Failed int64 // items, those of earlier runs included
	// Of this run:
	Elapsed                   time.Duration
	Attempts, Retries         int64
	InputTokens, OutputTokens int64
	Finished                  int64 // items finished by this run
	// In the last minute, or since the start of a shorter run, per minute:
	CallsPerMinute, TokensPerMinute float64
}

// Left returns the items still to do.
func (p Progress) Left() int64 { return p.Total - p.Done - p.Failed }

// ETA returns when the run will be through at the present pace, 0 when nobody can know yet.
func (p Progress) ETA() time.Duration {
	if p.Finished == 0 || p.Left() == 0 {
		return 0
	}
	return time.Duration(float64(p.Elapsed) / float64(p.Finished) * float64(p.Left()))
}

// stats counts a run; safe for concurrent use.
type stats struct {
	done, failed        atomic.Int64
	attempts, retries   atomic.Int64
	tokensIn, tokensOut atomic.Int64

	mu           sync.Mutex
	began        time.Time
	total        int64
	doneBefore   int64
	failedBefore int64
	seconds      [60]second
}

// second counts what happened in one second since the start of the run.
type second struct {
	n             int64
	calls, tokens int64
}

func (s *stats) start(c store.ItemCounts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.total, s.doneBefore, s.failedBefore = time.Now(), c.Total(), c.Done, c.Failed
}

func (s *stats) attempt(a *aurea.Answer) {
	s.attempts.Add(int64(max(a.Attempts, 1)))
	if !a.RetryAt.IsZero() {
		s.retries.Add(1)
	}
	in := a.Usage.Input + a.Usage.CacheRead + a.Usage.CacheWrite + a.Usage.CacheWrite1h + a.Usage.AudioIn
	out := a.Usage.Output + a.Usage.AudioOut
	s.tokensIn.Add(in)
	s.tokensOut.Add(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(time.Since(s.began) / time.Second)
	slot := &s.seconds[n%int64(len(s.seconds))]
	if slot.n != n {
		*slot = second{n: n}
	}
	slot.calls++
	slot.tokens += in + out
}

// Progress returns where the run stands. It may be called before, while and after Run.
func (r *Runner) Progress() Progress {
	s := &r.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{
		Total: s.total, Done: s.doneBefore + s.done.Load(), Failed: s.failedBefore + s.failed.Load(),
		Attempts: s.attempts.Load(), Retries: s.retries.Load(), InputTokens: s.tokensIn.Load(), OutputTokens: s.tokensOut.Load(),
		Finished: s.done.Load() + s.failed.Load(),
	}
	if s.began.IsZero() {
		return p
	}
	p.Elapsed = time.Since(s.began)
	span := min(max(p.Elapsed.Minutes(), 1.0/60), 1)
	now := int64(p.Elapsed / time.Second)
	var calls, tokens int64
	for _, sec := range s.seconds {
		if now-sec.n < int64(len(s.seconds)) {
			calls += sec.calls
			tokens += sec.tokens
		}
	}
	p.CallsPerMinute, p.TokensPerMinute = float64(calls)/span, float64(tokens)/span
	return p
}
