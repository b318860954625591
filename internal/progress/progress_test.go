package progress_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
)

func sum(t *testing.T, text string) money.Sum {
	t.Helper()
	s, err := money.ParseSum(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func view(t *testing.T) progress.View {
	return progress.View{
		Job: "nightly", Total: 1000, Done: 420, Failed: 3, Elapsed: 83 * time.Second, ETA: 115 * time.Second,
		Spent: sum(t, "1.23456"), Limit: sum(t, "5"), Unconfirmed: sum(t, "0.000075"),
		CallsPerMinute: 303, TokensPerMinute: 123_456, RPM: 500, TPM: 2_000_000, Retries: 7, Waiting: 4, Breakers: []string{"openai/gpt-4o"},
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	got := progress.Line(view(t))
	want := "420/1000 done, 3 failed · $1.2346 of $5.00 (+ $0.000075 unconfirmed) · 303 of 500 calls/min, 123.5k of 2.0M tokens/min · 7 retries · circuit open: openai/gpt-4o · about 1m55s left"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDrawFitsEveryWidth(t *testing.T) {
	t.Parallel()
	for width := 20; width <= 200; width += 7 {
		for line := range strings.Lines(progress.Draw(view(t), width)) {
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: a line of %d: %q", width, n, ansi.Strip(line))
			}
		}
	}
	text := ansi.Strip(progress.Draw(view(t), 100))
	for _, want := range []string{"nightly", "42%", "420 of 1000 done, 3 failed", "$1.2346 of $5.00", "303 of 500 calls/min", "(4 waiting)", "circuit open: openai/gpt-4o", "about 1m55s left"} {
		if !strings.Contains(text, want) {
			t.Errorf("the live view lacks %q:\n%s", want, text)
		}
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0.00", "5": "5.00", "0.5": "0.50", "0.12345": "0.1235", "0.000000000001": "0.000000000001", "9.99999": "10.0000", "12.3": "12.30",
	} {
		if got := progress.Money(sum(t, in)); got != want {
			t.Errorf("Money(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestJSONHasOneObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	stop := progress.Start(&out, progress.JSON, func() progress.View { return view(t) })
	stop()
	stop() // twice is fine
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if got["event"] != "progress" || got["spent_usd"] != "1.23456" || got["limit_usd"] != "5" || got["done"] != 420.0 {
		t.Errorf("got %v", got)
	}
}
