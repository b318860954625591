package progress_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is drawn; if that is right, go test ./internal/progress -update\n%s", path, diff)
	}
}

// states are the views that are kept as golden files.
func states(t *testing.T) map[string]progress.View {
	all := map[string]progress.View{"running": view(t)}
	with := func(name string, change func(*progress.View)) {
		v := view(t)
		change(&v)
		all[name] = v
	}
	with("starting", func(v *progress.View) {
		*v = progress.View{Job: "nightly", State: progress.Running, Total: 1000, Limit: v.Limit, RPM: 500, TPM: 2_000_000}
	})
	with("waiting", func(v *progress.View) { v.Waiting, v.WaitingFor = 4, []string{"openai/gpt-4o-mini"} })
	with("budget", func(v *progress.View) {
		v.State, v.ETA, v.Spent, v.Held = progress.OnBudget, 0, sum(t, "4.96"), sum(t, "0.03")
	})
	with("stopping", func(v *progress.View) { v.State = progress.Stopping })
	with("stopped", func(v *progress.View) { v.State, v.Held = progress.Stopped, money.Sum{} })
	with("circuit_open", func(v *progress.View) {
		v.State = progress.CircuitOpen
		v.Breakers = []progress.Breaker{{Name: "openai/gpt-4o", Again: 42 * time.Second}}
	})
	with("done", func(v *progress.View) {
		v.State, v.Done, v.ETA, v.Held = progress.Done, 997, 0, money.Sum{}
	})
	with("unlimited", func(v *progress.View) { v.Limit, v.RPM, v.TPM = money.Unlimited, 0, 0 })
	with("wide_name", func(v *progress.View) { v.Job = "夜間の要約-全部門-第四四半期-テスト実行-二回目" })
	return all
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, v := range states(t) {
		var b strings.Builder
		for _, width := range []int{20, 40, 60, 80, 120, 200, 0} {
			fmt.Fprintf(&b, "== %d\n%s\n", width, strings.Join(progress.Draw(v, progress.Screen{Width: width}), "\n"))
		}
		golden(t, filepath.Join("testdata", name+".golden"), b.String())
	}
	v := states(t)["circuit_open"]
	golden(t, "testdata/color.golden", strings.Join(progress.Draw(v, progress.Screen{Width: 80, Color: true}), "\n")+"\n")
	golden(t, "testdata/ascii.golden", strings.Join(progress.Draw(v, progress.Screen{Width: 80, ASCII: true}), "\n")+"\n")
	golden(t, "testdata/low.golden", strings.Join(progress.Draw(v, progress.Screen{Width: 80, Height: 4}), "\n")+"\n")
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Whatever is shown, and on whatever screen: no line is too wide, none is broken within a character, nothing from outside steers the terminal, and the bars are full
// only where the whole is there.
func TestDrawFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Custom(func(t *rapid.T) money.Sum {
			s, err := money.ParseSum(fmt.Sprintf("%d.%012d", rapid.Int64Range(0, 9_999_999).Draw(t, "dollars"), rapid.Int64Range(0, 999_999_999_999).Draw(t, "rest")))
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
		count := rapid.Int64Range(0, 1<<40)
		v := progress.View{
			Job: rapid.String().Draw(t, "job"), State: rapid.SampledFrom([]progress.State{progress.Running, progress.OnBudget, progress.Stopping, progress.Stopped, progress.CircuitOpen, progress.Done}).Draw(t, "state"),
			Done: count.Draw(t, "done"), Failed: count.Draw(t, "failed"), Elapsed: time.Duration(count.Draw(t, "elapsed")), ETA: time.Duration(count.Draw(t, "eta")),
			Spent: amount.Draw(t, "spent"), Limit: amount.Draw(t, "limit"), Held: amount.Draw(t, "held"), Unconfirmed: amount.Draw(t, "unconfirmed"),
			CallsPerMinute: float64(count.Draw(t, "calls")), RPM: count.Draw(t, "rpm"), Waiting: count.Draw(t, "waiting"), WaitingFor: rapid.SliceOf(rapid.String()).Draw(t, "for"),
			Failures: []progress.Failure{{Code: rapid.String().Draw(t, "code"), Items: 1}}, Breakers: []progress.Breaker{{Name: rapid.String().Draw(t, "breaker")}},
		}
		v.Total = v.Done + v.Failed + count.Draw(t, "left")
		s := progress.Screen{
			Width: rapid.IntRange(1, 250).Draw(t, "width"), Height: rapid.IntRange(0, 30).Draw(t, "height"), Color: rapid.Bool().Draw(t, "color"), ASCII: rapid.Bool().Draw(t, "ascii"),
		}
		lines := progress.Draw(v, s)
		if s.Height > 1 && len(lines) >= s.Height {
			t.Fatalf("%d lines on a screen of %d", len(lines), s.Height)
		}
		for _, line := range lines {
			plain := line
			if s.Color {
				plain = escape.ReplaceAllString(line, "")
			}
			if n := ansi.StringWidth(line); n > s.Width {
				t.Fatalf("a line of %d on a screen of %d: %q", n, s.Width, line)
			}
			if !utf8.ValidString(line) || strings.ContainsAny(plain, "\x1b\r\n\x07\u009b") {
				t.Fatalf("the line %q steers the terminal", line)
			}
			if strings.Contains(plain, "100%") && strings.HasPrefix(plain, "items") && v.Done+v.Failed < v.Total {
				t.Fatalf("%q with %d left", plain, v.Total-v.Done-v.Failed)
			}
		}
	})
}
