package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
)

var updatePlans = flag.Bool("update-plans", false, "write the golden files of plans anew")

const planConfig = `
providers:
  openai:    {api: openai, base_url: https://api.openai.com/v1, profile: openai}
  elsewhere: {api: openai, base_url: https://models.example.com/v1, api_keys: ["${NO_SUCH_KEY_ONE}"]}
models:
  fast:  {provider: openai, upstream: own-small, rpm: 500, tpm: 200000}
  daily: {provider: elsewhere, rpd: 100}
  tight: {provider: elsewhere, tpm: 1000}
prices:
  file: own.json
  overrides:
    own-small: {input: "0.10", output: "0.40"}
    own-large-with-a-name-that-is-much-longer-than-any-column-of-the-table: {input: "100", output: "400.125"}
    daily: {input: "1", output: "2"}
    tight: {input: "1", output: "2"}
    local: {free: true}
`

// plans runs `aurea plan` on a file of its own, without a key, and returns what it says. The database must not come to be.
func plans(t *testing.T, file string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"aurea.yaml": planConfig, "own.json": ownPrices, "prompts.jsonl": file} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	database := filepath.Join(dir, "a.db")
	args = append([]string{"plan", filepath.Join(dir, "prompts.jsonl"), "--config", filepath.Join(dir, "aurea.yaml"), "--database", "sqlite:" + database}, args...)
	code = Run(args, strings.NewReader(""), &out, &errs)
	if _, err := os.Stat(database); err == nil {
		t.Error("a plan made a database")
	}
	return code, strings.ReplaceAll(out.String(), filepath.Join(dir, "prompts.jsonl"), "prompts.jsonl"), strings.ReplaceAll(errs.String(), dir+"/", "")
}

func planFileOf(line string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(line, "ID", string(rune('a'+i/26/26%26))+string(rune('a'+i/26%26))+string(rune('a'+i%26))) + "\n")
	}
	return b.String()
}

const (
	fastLine  = `{"id":"fast-ID","model":"fast","prompt":"Name three rivers."}`
	largeLine = `{"id":"large-ID","model":"openai/own-large-with-a-name-that-is-much-longer-than-any-column-of-the-table","prompt":"Name three rivers.","max_tokens":100000}`
	dailyLine = `{"id":"daily-ID","model":"daily","prompt":"Name three rivers.","max_tokens":50}`
	blindLine = `{"id":"blind-ID","model":"elsewhere/nobody-has-a-price","prompt":"Name three rivers."}`
	freeLine  = `{"id":"free-ID","model":"elsewhere/local","prompt":"Name three rivers."}`
	tiersLine = `{"id":"tiers-ID","model":"openai/tiers","prompt":"Name three rivers.","max_tokens":50}`
	tightLine = `{"id":"tight-ID","model":"tight","prompt":"Name three rivers.","max_tokens":5000}`
)

func TestPlanTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		flags string
		code  int
	}{
		"one":      {planFileOf(fastLine, 3), "", exitDone},
		"several":  {planFileOf(fastLine, 1200) + planFileOf(largeLine, 40) + planFileOf(freeLine, 2), "", exitDone},
		"batch":    {planFileOf(fastLine, 3) + planFileOf(tiersLine, 100), "", exitDone},
		"days":     {planFileOf(dailyLine, 250), "--concurrency 1", exitDone},
		"unknown":  {planFileOf(fastLine, 1) + planFileOf(blindLine, 2), "", exitUsage},
		"skipped":  {planFileOf(fastLine, 1) + planFileOf(blindLine, 2) + "{\n", "--skip-bad", exitDone},
		"too-dear": {planFileOf(largeLine, 4), "--max-cost 80", exitBudget},
		"too-long": {planFileOf(tightLine, 2), "", exitDone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := plans(t, c.file, strings.Fields(c.flags)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for line := range strings.SplitSeq(stdout, "\n") {
				if utf8.RuneCountInString(line) > planColumns {
					t.Errorf("wider than %d columns: %s", planColumns, line)
				}
			}
			got := stdout
			if stderr != "" {
				got += "--- stderr ---\n" + stderr
			}
			path := filepath.Join("testdata", "plan-"+name+".txt")
			if *updatePlans {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path) // #nosec G304 -- of this folder
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s\nIf that is meant: go test ./internal/cli -run TestPlanTable -update-plans", diff)
			}
		})
	}
}

// What --json says is one object, and the error is in it.
func TestPlanJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, flags string
		code        int
		err         string
		complete    bool
	}{
		"good": {planFileOf(fastLine, 3), "--max-cost 1", exitDone, "", true},
		// 109 bytes of body, 64 + 8 tokens around it, and 100 of output.
		"at most":   {planFileOf(fastLine, 1), "--max-tokens 100 --max-cost 0.0000581", exitDone, "", true},
		"above it":  {planFileOf(fastLine, 1), "--max-tokens 100 --max-cost 0.000058099999", exitBudget, "budget_exceeded", true},
		"no price":  {planFileOf(blindLine, 3), "--max-cost 1", exitUsage, "price_unknown", false},
		"bad lines": {"{\n", "", exitUsage, "invalid_request", false},
		"a flag":    {planFileOf(fastLine, 1), "--max-cost 1e3", exitUsage, "usage", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := plans(t, c.file, append(strings.Fields(c.flags), "--json")...)
			var got struct {
				Complete bool `json:"complete"`
				Total    struct {
					Requests int    `json:"requests"`
					Least    string `json:"min_usd"`
					Most     string `json:"max_usd"`
				} `json:"total"`
				Error struct {
					Code    string `json:"code"`
					Message string `json:"message"`
					Hint    string `json:"hint"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatalf("%v in %q", err, stdout)
			}
			if code != c.code || got.Error.Code != c.err || got.Complete != c.complete || stderr != "" {
				t.Errorf("exit code %d, complete %t, error %+v, stderr %q, max %s", code, got.Complete, got.Error, stderr, got.Total.Most)
			}
			if c.err == "price_unknown" && !strings.Contains(got.Error.Hint, `"nobody-has-a-price": {input:`) {
				t.Errorf("the hint does not price it: %q", got.Error.Hint)
			}
		})
	}
}

// A bad line is told with its number, its field and the remedy.
func TestPlanBadLines(t *testing.T) {
	t.Parallel()
	file := planFileOf(fastLine, 2) + `{"id":"x","model":"fast","prompt":"a","max_tokens":-1}` + "\n" + `{"id":"y","model":"claude-sonnet-4-5","prompt":"a"}` + "\n"
	code, stdout, stderr := plans(t, file)
	for _, want := range []string{"line 3 max_tokens", "--skip-bad"} {
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, stdout, stderr, want)
		}
	}
	if code, _, stderr = plans(t, file, "--skip-bad"); code == exitError || !strings.Contains(stderr, "skipped: line 3 ") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// Whoever waits for a pipe on which nothing comes can stop waiting; what was read until then is shown as no more than that.
func TestPlanInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	pipe, _ := io.Pipe()
	src := interruptible(ctx, pipe)
	go cancel()
	if _, err := src.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("reading ended with %v", err)
	}
	_ = pipe.Close()
	var out, errs bytes.Buffer
	p := &program{stdout: &out, stderr: &errs, redact: func(s string) string { return s }}
	err := p.showPlan(&planned{Plan: aurea.Plan{Total: aurea.PlanSum{Requests: 7}}, source: "x.jsonl", partial: true, limit: &money.Sum{}})
	if code := p.end(err, nil); code != exitInterrupted || !strings.Contains(errs.String(), "the first 7 requests only") || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
}
