// Package progress shows where a run stands: as JSON lines for programs, as plain lines on a pipe, as a live view on a terminal. All three
// show the same [View].
package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/andres20980/aurea-orchestrator/money"
)

// View is where a run stands.
type View struct {
	Job                 string
	Total, Done, Failed int64
	Elapsed, ETA        time.Duration
	Spent, Limit        money.Sum
	Unconfirmed         money.Sum
	CallsPerMinute      float64
	TokensPerMinute     float64
	RPM, TPM            int64 // of all models together, 0 for no limit
	Attempts, Retries   int64
	Waiting             int64    // calls that wait for the provider's allowance
	Breakers            []string // that are not closed
	Stopping            bool     // asked to stop; calls on the wire are waited for
}

// Mode is how a view is shown.
type Mode int

// Modes.
const (
	Plain Mode = iota
	JSON
	Terminal
)

// Detect returns Terminal for a terminal that can be drawn on, else Plain.
func Detect(out io.Writer, environ func(string) (string, bool)) Mode {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Plain
	}
	if name, _ := environ("TERM"); name == "dumb" || name == "" {
		return Plain
	}
	return Terminal
}

// Intervals between two reports.
const (
	plainEvery    = 3 * time.Second
	jsonEvery     = time.Second
	terminalEvery = 200 * time.Millisecond
)

// Start reports what view returns until the returned function is called, which makes a last report and waits for it.
func Start(out io.Writer, mode Mode, view func() View) (stop func()) {
	if mode == Terminal {
		return startTerminal(out, view)
	}
	every, show := plainEvery, func(v View) { _, _ = fmt.Fprintln(out, Line(v)) }
	if mode == JSON {
		enc := json.NewEncoder(out)
		every, show = jsonEvery, func(v View) { _ = enc.Encode(event(v)) }
	}
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				show(view())
				return
			case <-tick.C:
				show(view())
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-finished
	})
}

// event is the JSON form of a view; its names are a contract.
func event(v View) map[string]any {
	return map[string]any{
		"event": "progress", "job": v.Job, "total": v.Total, "done": v.Done, "failed": v.Failed,
		"elapsed_seconds": round(v.Elapsed.Seconds()), "eta_seconds": round(v.ETA.Seconds()),
		"spent_usd": v.Spent, "limit_usd": v.Limit, "unconfirmed_usd": v.Unconfirmed,
		"calls_per_minute": round(v.CallsPerMinute), "tokens_per_minute": round(v.TokensPerMinute), "rpm": v.RPM, "tpm": v.TPM,
		"attempts": v.Attempts, "retries": v.Retries, "waiting": v.Waiting, "open_circuits": append([]string{}, v.Breakers...), "stopping": v.Stopping,
	}
}

func round(f float64) float64 { return float64(int64(f*10+0.5)) / 10 }

// Line is a view on one line.
func Line(v View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d done", v.Done, v.Total)
	if v.Failed > 0 {
		fmt.Fprintf(&b, ", %d failed", v.Failed)
	}
	fmt.Fprintf(&b, " · %s · %s", spent(v), pace(v))
	if v.Retries > 0 {
		fmt.Fprintf(&b, " · %d retries", v.Retries)
	}
	if len(v.Breakers) > 0 {
		fmt.Fprintf(&b, " · circuit open: %s", strings.Join(v.Breakers, ", "))
	}
	switch {
	case v.Stopping:
		b.WriteString(" · stopping, calls on the wire are waited for")
	case v.ETA > 0:
		fmt.Fprintf(&b, " · about %s left", Duration(v.ETA))
	}
	return b.String()
}

func spent(v View) string {
	s := "$" + Money(v.Spent) + " spent"
	if !v.Limit.IsUnlimited() {
		s = "$" + Money(v.Spent) + " of $" + Money(v.Limit)
	}
	if v.Unconfirmed != (money.Sum{}) {
		s += " (+ $" + Money(v.Unconfirmed) + " unconfirmed)"
	}
	return s
}

func pace(v View) string {
	calls, tokens := Count(v.CallsPerMinute), Count(v.TokensPerMinute)
	if v.RPM > 0 {
		calls += " of " + Count(float64(v.RPM))
	}
	if v.TPM > 0 {
		tokens += " of " + Count(float64(v.TPM))
	}
	return calls + " calls/min, " + tokens + " tokens/min"
}

// Money writes an amount for people: rounded up to hundredths of a cent, or exactly where that would hide it.
func Money(s money.Sum) string {
	text := s.String()
	whole, frac, ok := strings.Cut(text, ".")
	if !ok {
		return text + ".00"
	}
	if len(frac) <= 2 {
		return whole + "." + (frac + "00")[:2]
	}
	if len(frac) <= 4 || strings.Trim(frac[:4], "0") == "" && whole == "0" {
		return text
	}
	up := s.Add(money.Dollar/10_000 - 1)
	w, f, _ := strings.Cut(up.String(), ".")
	return w + "." + (f + "0000")[:4]
}

// Count writes a large number for people: 950, 12.3k, 4.1M.
func Count(n float64) string {
	switch {
	case n >= 999_950:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.1fk", n/1e3)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}

// Duration writes a duration for people, to the second below a day.
func Duration(d time.Duration) string {
	if d >= 24*time.Hour {
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
	if d < time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
