package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Line is a view on one line.
func Line(v View) string {
	var b strings.Builder
	b.WriteString(counts(v))
	fmt.Fprintf(&b, " · %s · %s", spent(v), pace(v))
	if v.Waiting > 0 {
		fmt.Fprintf(&b, " · %s", waiting(v))
	}
	if text := open(v); text != "" {
		fmt.Fprintf(&b, " · circuit %s", text)
	}
	if parts := trouble(v); len(parts) > 0 {
		fmt.Fprintf(&b, " · %s", strings.Join(parts, ", "))
	}
	if v.stopping() {
		fmt.Fprintf(&b, " · %s", state(v))
	} else if v.ETA > 0 {
		fmt.Fprintf(&b, " · about %s left", Duration(v.ETA))
	}
	return b.String()
}

func counts(v View) string {
	s := fmt.Sprintf("%d/%d done", v.Done, v.Total)
	if v.Failed > 0 {
		s += fmt.Sprintf(", %d failed", v.Failed)
	}
	return s
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

// waiting says what calls wait for.
func waiting(v View) string {
	calls := "calls wait"
	if v.Waiting == 1 {
		calls = "call waits"
	}
	s := fmt.Sprintf("%d %s for the allowance", v.Waiting, calls)
	if len(v.WaitingFor) > 0 {
		s += " of " + clean(some(v.WaitingFor))
	}
	return s
}

// trouble says what went wrong so far.
func trouble(v View) (parts []string) {
	if v.Retries == 1 {
		parts = append(parts, "1 retry")
	} else if v.Retries > 1 {
		parts = append(parts, fmt.Sprintf("%d retries", v.Retries))
	}
	var codes []string
	for _, f := range v.Failures {
		codes = append(codes, fmt.Sprintf("%d %s", f.Items, f.Code))
	}
	if len(codes) > 0 {
		parts = append(parts, "failed with "+clean(some(codes)))
	}
	return parts
}

// open says which providers are left alone, and for how long.
func open(v View) string {
	var names []string
	for _, b := range v.Breakers {
		name := b.Name
		if b.Again > 0 {
			name += " for " + Duration(b.Again.Round(time.Second))
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return "open: " + clean(some(names))
}

// some is the first few of a list.
func some(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// state says what the run does.
func state(v View) string {
	switch v.State {
	case Stopping:
		return "stopping, calls on the wire are waited for"
	case OnBudget:
		return "paused, the budget is used up"
	case Stopped:
		return "stopped, nothing is lost"
	case CircuitOpen:
		return "circuit open"
	case Done:
		return "done"
	default:
		return "running"
	}
}

func timing(v View) string {
	s := Duration(v.Elapsed) + " so far"
	switch v.State {
	case Done, Stopped:
		return "took " + Duration(v.Elapsed)
	case Stopping:
		return s + ", Ctrl-C again cuts them off"
	case OnBudget:
		return s
	}
	if v.ETA > 0 {
		s += ", about " + Duration(v.ETA) + " left"
	}
	return s
}

// clean replaces what would steer a terminal instead of being shown on it; names of models and codes of failures come from outside.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
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
