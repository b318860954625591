package ratelimit

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// longestReset is the longest reset of a limit per minute that is believed: OpenAI's documentation shows some of minutes. Limits per day take longer.
const longestReset = time.Hour

// reading is what the headers of an answer say of a dimension; −1 where they say nothing.
type reading struct {
	dim              int
	limit, remaining int64
}

// readings reads x-ratelimit-{limit,remaining,reset}-{requests,tokens} (https://platform.openai.com/docs/guides/rate-limits),
// anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset} (https://docs.anthropic.com/en/api/rate-limits) and their like, by pattern,
// because names are added. Of several limits of one dimension the narrowest counts. What is no number, or not of a minute, is as if it were not there.
func readings(h http.Header) []reading {
	var all []reading
	for name, values := range h {
		n := rateHeader(name)
		if n == nil || len(values) == 0 {
			continue
		}
		r := reading{dim: n.dim, limit: number(values[0]), remaining: -1}
		if r.limit <= 0 || longReset(first(h, n.reset)) {
			continue
		}
		if v := first(h, n.remaining); v != "" {
			r.remaining = number(v)
		}
		if i := slices.IndexFunc(all, func(o reading) bool { return o.dim == r.dim }); i < 0 {
			all = append(all, r)
		} else if r.limit < all[i].limit {
			all[i] = r
		}
	}
	return all
}

func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// rateName is a header that names a limit, and the names beside it as net/http spells them.
type rateName struct {
	dim              int
	remaining, reset string
}

// known are the names seen so far; nil for those that mean nothing here. Providers use few, so that no answer is parsed twice; who sends many fills it once.
var (
	known      sync.Map // string → *rateName
	knownCount atomic.Int64
)

const mostKnown = 512

// rateHeader tells which limit a header names, nil if none.
func rateHeader(name string) *rateName {
	if !strings.Contains(name, "imit") && !strings.Contains(name, "IMIT") || len(name) > 100 {
		return nil
	}
	if n, ok := known.Load(name); ok {
		return n.(*rateName)
	}
	n := parseName(name)
	if knownCount.Load() < mostKnown {
		knownCount.Add(1)
		known.Store(strings.Clone(name), n)
	}
	return n
}

func parseName(name string) *rateName {
	before, after, ok := strings.Cut(strings.ToLower(name), "ratelimit-")
	if !ok {
		return nil
	}
	dim, kind := -1, -1
	var input, output bool
	words := strings.Split(after, "-")
	for i, word := range words {
		switch word {
		case "limit":
			kind = i
		case "requests":
			dim = dimRequests
		case "tokens":
			dim = dimTokens
		case "input", "prompt":
			input = true
		case "output", "completion":
			output = true
		case "remaining", "reset", "day", "days", "daily", "hour", "hourly", "week", "month", "second", "images", "audio", "cached", "concurrent":
			return nil
		}
	}
	switch {
	case kind < 0 || dim < 0 || input && output:
		return nil
	case dim == dimTokens && input:
		dim = dimInput
	case dim == dimTokens && output:
		dim = dimOutput
	}
	sibling := func(word string) string {
		words[kind] = word
		return http.CanonicalHeaderKey(before + "ratelimit-" + strings.Join(words, "-"))
	}
	return &rateName{dim, sibling("remaining"), sibling("reset")}
}

func longReset(v string) bool {
	v = strings.TrimSpace(v)
	if v == "" {
		return false
	}
	if d, err := time.ParseDuration(v); err == nil {
		return d > longestReset
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return time.Until(at) > longestReset
	}
	seconds, err := strconv.ParseFloat(v, 64)
	return err == nil && seconds > longestReset.Seconds()
}

// number reads a count, −1 if it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/1_000_000 {
		return -1
	}
	return n
}

// headers takes in the limits that the provider names, and what it says is left.
func (l *Limiter) headers(now int64, p *Permit, all []reading) {
	changed := false
	for _, r := range all {
		if before := l.learned.inForce(r.dim); l.learned.named[r.dim] != r.limit {
			l.learned.named[r.dim] = r.limit
			changed = changed || l.learned.inForce(r.dim) != before || l.learned.guess[dimTokens]
		}
		if r.remaining >= 0 && l.compare(now, p, r) {
			changed = true
		}
	}
	if changed {
		l.apply(now)
	}
}
