package ratelimit_test

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/ratelimit"
)

// meter is one limit on a provider's side. It sees requests at their arrival and knows nothing of the package under test.
type meter interface {
	left(now time.Time) float64
	take(now time.Time, n float64) (giveBack func(n float64))
}

// sliding judges every window that ends now.
type sliding struct {
	span  time.Duration
	limit float64
	log   []*arrival
	sum   float64
}

type arrival struct {
	at time.Time
	n  float64
}

func (m *sliding) left(now time.Time) float64 {
	for len(m.log) > 0 && now.Sub(m.log[0].at) >= m.span {
		m.sum -= m.log[0].n
		m.log = m.log[1:]
	}
	return m.limit - m.sum
}

func (m *sliding) take(now time.Time, n float64) func(float64) {
	a := &arrival{now, n}
	m.log = append(m.log, a)
	m.sum += n
	return func(n float64) {
		a.n -= n
		if len(m.log) > 0 && !a.at.Before(m.log[0].at) {
			m.sum -= n
		}
	}
}

// bucket is full at first.
type bucket struct {
	size, perSecond, level float64
	at                     time.Time
}

func (m *bucket) left(now time.Time) float64 {
	if m.at.IsZero() {
		m.level = m.size
	} else {
		m.level = min(m.size, m.level+now.Sub(m.at).Seconds()*m.perSecond)
	}
	m.at = now
	return m.level + 1e-9
}

func (m *bucket) take(_ time.Time, n float64) func(float64) {
	m.level -= n
	return func(n float64) { m.level += n }
}

// fixed counts anew at each whole multiple of its span.
type fixed struct {
	span  time.Duration
	limit float64
	slot  int64
	sum   float64
}

func (m *fixed) left(now time.Time) float64 {
	if slot := now.UnixNano() / int64(m.span); slot != m.slot {
		m.slot, m.sum = slot, 0
	}
	return m.limit - m.sum
}

func (m *fixed) take(_ time.Time, n float64) func(float64) {
	m.sum += n
	slot := m.slot
	return func(n float64) {
		if slot == m.slot {
			m.sum -= n
		}
	}
}

// The common ways of judging a limit per minute.
var algorithms = map[string]func(perMinute float64) meter{
	"sliding":      func(n float64) meter { return &sliding{span: time.Minute, limit: n} },
	"full bucket":  func(n float64) meter { return &bucket{size: n, perSecond: n / 60} },
	"small bucket": func(n float64) meter { return &bucket{size: max(n/50, 1), perSecond: n / 60} },
	"fixed":        func(n float64) meter { return &fixed{span: time.Minute, limit: n} },
}

// The dimensions of a provider's limits.
const (
	requests = iota
	tokens
	input
	output
)

var headerNames = [...]string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"}

// call is one request as it is.
type call struct {
	bytes, in, limit, out int64
}

// provider judges calls by several limits at once.
type provider struct {
	limits  map[int]float64
	meters  map[int]meter
	count   func(call) [4]float64
	refund  bool
	headers bool
	silent  bool // a 429 says nothing
	jitter  time.Duration
	latency time.Duration

	mu      sync.Mutex
	rng     *rand.Rand
	began   time.Time
	allowed int
	used    [4]float64
	refused []time.Duration // when, since the beginning
}

func newProvider(seed uint64, algorithm string, limits map[int]float64, count func(call) [4]float64) *provider {
	p := &provider{
		limits: limits, meters: map[int]meter{}, count: count, jitter: 150 * time.Millisecond, latency: 400 * time.Millisecond,
		rng: rand.New(rand.NewPCG(seed, 7)), began: time.Now(),
	}
	for i, n := range limits {
		p.meters[i] = algorithms[algorithm](n)
	}
	return p
}

// Ways of counting on arrival.
func countSum(c call) [4]float64 {
	return [4]float64{1, float64(c.in + c.limit), float64(c.in), float64(c.limit)}
}

func countMax(c call) [4]float64 {
	return [4]float64{1, float64(max(c.in, c.limit)), float64(c.in), float64(c.limit)}
}

func countActual(c call) [4]float64 {
	return [4]float64{1, float64(c.in + c.out), float64(c.in), float64(c.out)}
}

func countInput(c call) [4]float64 {
	return [4]float64{1, float64(c.in), float64(c.in), 0}
}

// countCharacters is OpenAI's estimate: four characters are a token, whatever the usage says later.
func countCharacters(c call) [4]float64 {
	in := math.Ceil(float64(c.bytes) / 4)
	return [4]float64{1, max(in, float64(c.limit)), in, float64(c.limit)}
}

func (p *provider) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jitter == 0 {
		return 0
	}
	return time.Duration(p.rng.Int64N(int64(p.jitter)))
}

// draw returns a random number.
func (p *provider) draw() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Uint64()
}

// serve takes a call over the network and back.
func (p *provider) serve(c call) ratelimit.Feedback {
	time.Sleep(p.delay())
	f, settle := p.judge(c)
	if f.Status == http.StatusOK {
		time.Sleep(p.latency)
		settle()
	}
	time.Sleep(p.delay())
	return f
}

func (p *provider) judge(c call) (f ratelimit.Feedback, settle func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	n := p.count(c)
	f = ratelimit.Feedback{Status: http.StatusOK, Header: http.Header{}, InputTokens: c.in, OutputTokens: c.out}
	for i, m := range p.meters {
		if m.left(now) < n[i]-1e-6 {
			f = ratelimit.Feedback{Status: http.StatusTooManyRequests, Header: http.Header{}, RateLimited: true, InputTokens: -1, OutputTokens: -1}
			if !p.silent {
				f.RetryAfter = time.Second
			}
		}
	}
	if f.Status != http.StatusOK {
		p.refused = append(p.refused, now.Sub(p.began))
	} else {
		p.allowed++
		var backs []func()
		actual := countActual(c)
		for i, m := range p.meters {
			back := m.take(now, n[i])
			if unused := n[i] - actual[i]; p.refund && unused > 0 {
				backs = append(backs, func() { back(unused) })
				n[i] -= unused
			}
			p.used[i] += n[i]
		}
		settle = func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, back := range backs {
				back()
			}
		}
	}
	if p.headers {
		for i, m := range p.meters {
			f.Header.Set("X-Ratelimit-Limit-"+headerNames[i], strconv.Itoa(int(p.limits[i])))
			f.Header.Set("X-Ratelimit-Remaining-"+headerNames[i], strconv.Itoa(max(int(m.left(now)), 0)))
			f.Header.Set("X-Ratelimit-Reset-"+headerNames[i], "12ms")
		}
	}
	return f, settle
}

// saturate keeps workers busy for a time, and returns which share of each limit was used.
func saturate(t *testing.T, l *ratelimit.Limiter, p *provider, workers int, span time.Duration, next func(*rand.Rand) call) map[int]float64 {
	t.Helper()
	ctx := t.Context()
	end := time.Now().Add(span)
	var wg sync.WaitGroup
	for worker := range workers {
		rng := rand.New(rand.NewPCG(uint64(worker), p.draw()))
		wg.Go(func() {
			for {
				c := next(rng)
				permit, err := l.Acquire(ctx, ratelimit.Demand{InputBytes: c.bytes, OutputCap: c.limit, Class: ratelimit.Batch}, max(time.Until(end), 0))
				if time.Now().After(end) || err != nil {
					if err == nil {
						permit.Release()
					}
					return
				}
				permit.Done(p.serve(c))
			}
		})
	}
	wg.Wait()
	share := map[int]float64{}
	for i, n := range p.limits {
		share[i] = p.used[i] / (n * span.Minutes())
	}
	return share
}

// fill checks that a limit is used and nobody was refused.
func fill(t *testing.T, p *provider, share map[int]float64, dim int, least float64) {
	t.Helper()
	if len(p.refused) > 0 || share[dim] < least {
		t.Errorf("%d refused %v, %.2f %% used, want 0 and %.2f %%", len(p.refused), p.refused[:min(len(p.refused), 5)], share[dim]*100, least*100)
	}
	t.Logf("%.2f %% used by %d calls", share[dim]*100, p.allowed)
}

func same(c call) func(*rand.Rand) call { return func(*rand.Rand) call { return c } }

// prose is text of varied length, 3.6 to 4.6 bytes a token, behind 120 bytes of JSON.
func prose(least, most int64, limit int64) func(*rand.Rand) call {
	return func(rng *rand.Rand) call {
		n := least + rng.Int64N(most-least)
		return call{bytes: 120 + n, in: 8 + int64(float64(n)/(3.6+rng.Float64())), limit: limit, out: 1 + rng.Int64N(max(limit, 1))}
	}
}

func profile(t *testing.T, name string) ratelimit.Profile {
	t.Helper()
	p, err := ratelimit.ProfileNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
