package admin

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	pageDefault = 100
	pageMost    = 1000
	// maxSums is how many sums of spending one answer has at most.
	maxSums = 10_000
)

// only refuses parameters that are not known, or are there twice: a filter that is misspelt would mean all.
func (r *request) only(names ...string) error {
	for name, values := range r.query {
		if !slices.Contains(names, name) {
			return invalid("there is no parameter %q here", clip(name))
		}
		if len(values) > 1 {
			return invalid("the parameter %q is there %d times", name, len(values))
		}
	}
	return nil
}

// page returns the size of the page that is wanted, and where it begins: up to two numbers, 0 at first.
func (r *request) page() (limit int, at [2]int64, err error) {
	limit = pageDefault
	if text := r.query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > pageMost {
			return 0, at, invalid("limit %q: want 1 to %d", clip(text), pageMost)
		}
	}
	text := r.query.Get("cursor")
	if text == "" {
		return limit, at, nil
	}
	wrong := invalid("cursor %q: want the next of the page before", clip(text))
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, at, wrong
	}
	first, second, _ := strings.Cut(string(raw), ".")
	for i, part := range []string{first, second} {
		if at[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return 0, at, wrong
		}
	}
	if at == [2]int64{} || at[0] < 0 {
		return 0, at, wrong
	}
	return limit, at, nil
}

// next is the cursor of a place; nil for the end.
func next(a, b int64) *string {
	if a == 0 && b == 0 {
		return nil
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(a, 10) + "." + strconv.FormatInt(b, 10)))
	return &text
}

var outcomes = []string{"ok", "error", "cut", "unsent", "estimated", "reconciled", "verified", "expected"}

// filter reads the parameters that say which calls are meant.
func (r *request) filter() (f store.CallFilter, err error) {
	if name := r.query.Get("job"); name != "" {
		f.Job = jobs.ID(name)
	}
	f.Provider, f.Model, f.Outcome = r.query.Get("provider"), r.query.Get("model"), r.query.Get("outcome")
	if f.Outcome != "" && !slices.Contains(outcomes, f.Outcome) {
		return f, invalid("outcome %q: want %s", clip(f.Outcome), strings.Join(outcomes, ", "))
	}
	if text := r.query.Get("status"); text != "" {
		if f.Status, err = strconv.Atoi(text); err != nil || f.Status < 100 || f.Status > 599 {
			return f, invalid("status %q: want an HTTP status of a provider, 100 to 599", clip(text))
		}
	}
	if f.From, err = r.instant("from"); err != nil {
		return f, err
	}
	if f.To, err = r.instant("to"); err != nil {
		return f, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, invalid("from %s is not before to %s", f.From.Format(time.RFC3339), f.To.Format(time.RFC3339))
	}
	return f, nil
}

// instant reads a time, or a day's beginning in UTC.
func (r *request) instant(name string) (time.Time, error) {
	text := r.query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 1971 && at.Year() < 2262 {
			return at.UTC(), nil
		}
	}
	return time.Time{}, invalid("%s %q: want a time such as 2026-03-01T12:00:00Z or a day such as 2026-03-01, from 1971 to 2261", name, clip(text))
}
