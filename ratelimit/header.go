package ratelimit

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// perMinute is the longest reset of a limit per minute that is believed: OpenAI's documentation shows some of minutes. Limits per day take longer.
const perMinute = time.Hour

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
		kind, dim, ok := rateHeader(name)
		if !ok || kind != "limit" || len(values) == 0 {
			continue
		}
		r := reading{dim: dim, limit: number(values[0]), remaining: -1}
		if r.limit <= 0 || longReset(h, name) {
			continue
		}
		if v := sibling(h, name, "remaining"); v != "" {
			r.remaining = number(v)
		}
		if i := slices.IndexFunc(all, func(o reading) bool { return o.dim == dim }); i < 0 {
			all = append(all, r)
		} else if r.limit < all[i].limit {
			all[i] = r
		}
	}
	return all
}

// rateHeader tells what a header speaks of: limit, remaining or reset, and the dimension.
func rateHeader(name string) (kind string, dim int, ok bool) {
	if !strings.Contains(name, "imit") && !strings.Contains(name, "IMIT") {
		return "", 0, false
	}
	name = strings.ToLower(name)
	_, name, ok = strings.Cut(name, "ratelimit-")
	if !ok || len(name) > 100 {
		return "", 0, false
	}
	dim = -1
	var input, output bool
	for word := range strings.SplitSeq(name, "-") {
		switch word {
		case "limit", "remaining", "reset":
			kind = word
		case "requests":
			dim = dimRequests
		case "tokens":
			dim = dimTokens
		case "input", "prompt":
			input = true
		case "output", "completion":
			output = true
		case "day", "days", "daily", "hour", "hourly", "week", "month", "second", "images", "audio", "cached", "concurrent":
			return "", 0, false
		}
	}
	if dim == dimTokens && input {
		dim = dimInput
	}
	if dim == dimTokens && output {
		dim = dimOutput
	}
	return kind, dim, kind != "" && dim >= 0 && !(input && output)
}

// sibling returns the value of the header that speaks of the same limit.
func sibling(h http.Header, name, kind string) string {
	at := strings.LastIndex(strings.ToLower(name), "limit") // the first one is in "ratelimit"
	if at < 0 {
		return ""
	}
	if other := strings.Index(strings.ToLower(name), "-limit-"); other >= 0 {
		at = other + 1
	}
	name = name[:at] + kind + name[at+len("limit"):]
	if v := h.Get(name); v != "" {
		return v
	}
	for k, v := range h { // a map that was not filled by net/http
		if len(v) > 0 && strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}

func longReset(h http.Header, name string) bool {
	v := strings.TrimSpace(sibling(h, name, "reset"))
	if d, err := time.ParseDuration(v); err == nil {
		return d > perMinute
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return time.Until(at) > perMinute
	}
	seconds, err := strconv.ParseFloat(v, 64)
	return err == nil && seconds > perMinute.Seconds()
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
func (l *Limiter) headers(now int64, p *Permit, h http.Header) {
	changed := false
	for _, r := range readings(h) {
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
