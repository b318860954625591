package progress_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		Job: "nightly", State: progress.Running, Total: 1000, Done: 420, Failed: 3, Elapsed: 83 * time.Second, ETA: 115 * time.Second,
		Spent: sum(t, "1.23456"), Limit: sum(t, "5"), Held: sum(t, "0.31"), Unconfirmed: sum(t, "0.000075"),
		CallsPerMinute: 303, TokensPerMinute: 123_456, RPM: 500, TPM: 2_000_000, Retries: 7,
		Failures: []progress.Failure{{Code: "context_length_exceeded", Items: 2}, {Code: "invalid_request", Items: 1}},
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	v := view(t)
	v.Waiting, v.WaitingFor = 4, []string{"openai/gpt-4o"}
	v.Breakers = []progress.Breaker{{Name: "openai/gpt-4o", Again: 42 * time.Second}}
	want := "420/1000 done, 3 failed · $1.2346 of $5.00 (+ $0.000075 unconfirmed) · 303 of 500 calls/min, 123.5k of 2.0M tokens/min · " +
		"4 calls wait for the allowance of openai/gpt-4o · circuit open: openai/gpt-4o for 42s · 7 retries, failed with 2 context_length_exceeded, 1 invalid_request · about 1m55s left"
	if got := progress.Line(v); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	v.State = progress.OnBudget
	if got := progress.Line(v); !strings.HasSuffix(got, " · paused, the budget is used up") {
		t.Errorf("on the budget: %s", got)
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

func nothing(string) (string, bool) { return "", false }

func TestJSONHasOneObjectALine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		stop := progress.Follow(progress.New(&out, progress.JSON, nothing), func() progress.View { return view(t) })
		time.Sleep(2500 * time.Millisecond)
		stop()
		stop() // twice is fine
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Errorf("%d lines after 2.5 seconds and the last", len(lines))
		}
		for _, line := range lines {
			var got map[string]any
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			if got["event"] != "progress" || got["state"] != "running" || got["spent_usd"] != "1.23456" || got["limit_usd"] != "5" || got["done"] != 420.0 {
				t.Errorf("got %v", got)
			}
		}
	})
}

// A pipe, a file and a dumb terminal get lines that nothing steers.
func TestPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		mode := progress.Detect(&out, func(string) (string, bool) { return "xterm-256color", true })
		stop := progress.Follow(progress.New(&out, mode, nothing), func() progress.View { return view(t) })
		time.Sleep(10 * time.Second)
		stop()
		if got := strings.Count(out.String(), "420/1000 done"); got != 4 || strings.ContainsRune(out.String(), 0x1b) {
			t.Errorf("%d lines in ten seconds and the last: %q", got, out.String())
		}
	})
}
