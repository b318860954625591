package simulate

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// meter judges one limit of one model.
type meter struct {
	limit float64 // per minute
	seen  []arrival
	sum   float64
	level float64 // of a bucket
	last  time.Time
	slot  int64 // of a fixed window
}

type arrival struct {
	at time.Time
	n  float64
}

// room returns what is left now, and when n would fit.
func (m *meter) room(o *Options, now time.Time, n float64) (left float64, wait time.Duration) {
	switch o.Algo {
	case "bucket":
		capacity := math.Max(m.limit*o.BucketFraction, 1)
		if m.last.IsZero() {
			m.level = capacity
		} else {
			m.level = math.Min(capacity, m.level+now.Sub(m.last).Minutes()*m.limit)
		}
		m.last = now
		if m.level >= n {
			return m.level, 0
		}
		return m.level, time.Duration((n - m.level) / m.limit * float64(time.Minute))
	case "fixed":
		slot := now.UnixNano() / int64(o.Window)
		if slot != m.slot {
			m.slot, m.sum = slot, 0
		}
		left = m.limit*o.Window.Minutes() - m.sum
		if left >= n {
			return left, 0
		}
		return left, time.Unix(0, (slot+1)*int64(o.Window)).Sub(now)
	default:
		for len(m.seen) > 0 && now.Sub(m.seen[0].at) >= o.Window {
			m.sum -= m.seen[0].n
			m.seen = m.seen[1:]
		}
		left = m.limit*o.Window.Minutes() - m.sum
		if left >= n {
			return left, 0
		}
		freed := left
		for _, a := range m.seen {
			if freed += a.n; freed >= n {
				return left, a.at.Add(o.Window).Sub(now)
			}
		}
		return left, o.Window
	}
}

func (m *meter) take(o *Options, now time.Time, n float64) {
	switch o.Algo {
	case "bucket":
		m.level -= n
	case "fixed":
		m.sum += n
	default:
		m.seen = append(m.seen, arrival{now, n})
		m.sum += n
	}
}

// meters are the limits of one model.
type meters struct{ requests, tokens, input, output meter }

// admit takes a request in or returns how long it should wait. The headers tell where the limits stand.
func (s *Server) admit(r *request, now time.Time) (wait time.Duration, headers http.Header) {
	m, ok := s.meters[r.model]
	if !ok {
		m = &meters{}
		s.meters[r.model] = m
	}
	o := &s.options
	counted := map[string]int64{"max": max(r.input, r.cap), "sum": r.input + r.cap, "input": r.input, "actual": r.input + r.output}[o.Count]
	out := r.cap
	if o.Count == "actual" {
		out = r.output
	}
	headers = http.Header{}
	all := []struct {
		*meter
		name  string
		limit int64
		n     int64
	}{
		{&m.requests, "requests", o.RPM, 1}, {&m.tokens, "tokens", o.TPM, counted},
		{&m.input, "input-tokens", o.InputTPM, r.input}, {&m.output, "output-tokens", o.OutputTPM, out},
	}
	if o.Concurrency > 0 && s.flight > o.Concurrency {
		wait = 100 * time.Millisecond
	}
	left := make([]float64, len(all))
	for i, l := range all {
		if l.limit == 0 {
			continue
		}
		l.meter.limit = float64(l.limit)
		var w time.Duration
		left[i], w = l.room(o, now, float64(l.n))
		wait = max(wait, w)
	}
	for i, l := range all {
		if l.limit == 0 {
			continue
		}
		if wait == 0 {
			l.take(o, now, float64(l.n))
			left[i] -= float64(l.n)
		}
		if o.Headers {
			limitHeaders(headers, r.anthropic, l.name, l.limit, left[i], now)
		}
	}
	return wait, headers
}

// limitHeaders writes what OpenAI and Anthropic tell of their limits.
func limitHeaders(h http.Header, anthropic bool, name string, limit int64, left float64, now time.Time) {
	reset := time.Duration((float64(limit) - left) / float64(limit) * float64(time.Minute)).Round(time.Millisecond)
	remaining := strconv.FormatInt(int64(math.Max(left, 0)), 10)
	if anthropic {
		h.Set("Anthropic-Ratelimit-"+name+"-Limit", strconv.FormatInt(limit, 10))
		h.Set("Anthropic-Ratelimit-"+name+"-Remaining", remaining)
		h.Set("Anthropic-Ratelimit-"+name+"-Reset", now.Add(reset).UTC().Format(time.RFC3339))
		return
	}
	h.Set("X-Ratelimit-Limit-"+name, strconv.FormatInt(limit, 10))
	h.Set("X-Ratelimit-Remaining-"+name, remaining)
	h.Set("X-Ratelimit-Reset-"+name, reset.String())
}

func retryAfter(h http.Header, d time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10))
	h.Set("Retry-After-Ms", fmt.Sprint(d.Milliseconds()+1))
}
