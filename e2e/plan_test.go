//go:build unix

package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program plans a file without a key, a configuration or a network, writes nothing but what it says, and its exit code is good for scripts.
func TestPlan(t *testing.T) {
	t.Parallel()
	plan := func(stdin string, args ...string) (code int, stdout, stderr, dir string) {
		dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "prompts.jsonl"), []byte(`{"id":"a","model":"gpt-4o-mini","prompt":"Name three rivers."}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"plan"}, args...)...)
		cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &out, &errs
		cmd.Env = []string{"HOME=" + dir, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}
		_ = cmd.Run() // its exit code is looked at
		return cmd.ProcessState.ExitCode(), out.String(), errs.String(), dir
	}
	const bad = `{"id":"b","model":"no-such-model-1","prompt":"x"}` + "\n{\n"
	for name, c := range map[string]struct {
		stdin string
		args  []string
		code  int
		out   string // of stdout or stderr
	}{
		"a file":            {"", []string{"prompts.jsonl"}, 0, "gpt-4o-mini"},
		"within the budget": {"", []string{"prompts.jsonl", "--max-cost", "1"}, 0, "maximum"},
		"above the budget":  {"", []string{"prompts.jsonl", "--max-cost", "0.0001"}, 3, "above --max-cost 0.0001"},
		"standard input":    {`{"id":"b","prompt":"x"}`, []string{"-", "--model", "claude-sonnet-4-5", "--max-tokens", "9"}, 0, "claude-sonnet-4-5"},
		"a bad line":        {bad, []string{"-"}, 2, "line 2 ends in the middle"},
		"no price":          {bad[:strings.Index(bad, "\n")], []string{"-"}, 2, "overrides:"},
		"all left out":      {bad, []string{"-", "--skip-bad"}, 0, "no-such-model-1"},
		"no file":           {"", []string{"nothing.jsonl"}, 2, "cannot read the input"},
		"an unknown flag":   {"", []string{"prompts.jsonl", "--max-costs", "1"}, 2, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr, dir := plan(c.stdin, c.args...)
			if code != c.code || !strings.Contains(stdout+stderr, c.out) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr, _ := plan("", "prompts.jsonl", "--json", "--max-cost", "0")
		var got struct {
			Total map[string]any    `json:"total"`
			Error map[string]string `json:"error"`
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 3 || got.Total["requests"] != 1.0 || got.Error["code"] != "budget_exceeded" || stderr != "" {
			t.Errorf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
		}
	})
}
