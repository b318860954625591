package retry

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longest is the longest wait that is taken seriously; it fits a time.Duration with room to add.
const longest = 365 * 24 * time.Hour

// ParseRetryAfter reads how long a provider asks to wait: Retry-After-Ms in milliseconds, else Retry-After in seconds, whole or with a fraction, or as a date of
// RFC 9110, section 5.6.7. What is no number, negative, not finite or in the past is as if it were not there.
func ParseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if d, ok := number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d, true
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := number(text, time.Second); ok {
		return d, true
	}
	at, err := http.ParseTime(text)
	if err != nil || !at.After(now) {
		return 0, false
	}
	return min(at.Sub(now), longest), true
}

func number(text string, unit time.Duration) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text, "xXpP_iInN") { // no hexadecimal, underscores, Inf or NaN
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 1) || f < 0 || math.IsNaN(f) || math.Signbit(f) {
		return 0, false
	}
	if f > float64(longest/unit) {
		return longest, true
	}
	return time.Duration(math.Ceil(f * float64(unit))), true
}

// resetAfter finds, in a 429 without Retry-After, when the dimension that is used up starts anew: OpenAI's x-ratelimit-reset-* are durations (12ms, 1s, 6m0s), Anthropic's
// anthropic-ratelimit-*-reset are times of RFC 3339. Only dimensions with nothing remaining count.
func resetAfter(f Failure, now time.Time) (time.Duration, bool) {
	if f.Status != http.StatusTooManyRequests {
		return 0, false
	}
	var wait time.Duration
	for name, values := range f.Header {
		name = strings.ToLower(name)
		if len(values) == 0 || !strings.Contains(name, "ratelimit") || !strings.Contains(name, "reset") {
			continue
		}
		remaining := f.Header.Get(strings.Replace(name, "reset", "remaining", 1))
		if remaining != "0" {
			continue
		}
		if d, err := time.ParseDuration(values[0]); err == nil && d > 0 {
			wait = max(wait, min(d, longest))
		} else if at, err := time.Parse(time.RFC3339, values[0]); err == nil && at.After(now) {
			wait = max(wait, min(at.Sub(now), longest))
		} else if d, ok := number(values[0], time.Second); ok && d < 24*time.Hour {
			wait = max(wait, d)
		}
	}
	return wait, wait > 0
}
