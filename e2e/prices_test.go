//go:build unix

package e2e_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The real program prices an answer from outside, with one object on stdout whatever it is given.
func TestPricesCompute(t *testing.T) {
	t.Parallel()
	h := bare(t)
	file := h.path("prices.json")
	if err := os.WriteFile(file, []byte(`{"m": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 3e-6}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stdin, flags, cost, status string
		code                       int
	}{
		{`{"usage":{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107}}`, "--api chat --model m --file " + file, "0.000121", "exact", 0},
		{"\x00", "--api chat --model m --file " + file, "", "invalid_usage", 1},
		{`{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "--api chat --model nobody-knows", "", "unknown_model", 1},
		{"", "--api telegraph --model m", "", "invalid_usage", 2},
	} {
		cmd := h.command()
		cmd.Args = append([]string{binary, "prices", "compute"}, strings.Fields(c.flags)...)
		cmd.Stdin = strings.NewReader(c.stdin)
		p := h.startCmd(cmd)
		p.exits(c.code)
		var got struct {
			Cost   *string `json:"cost_usd"`
			Status string  `json:"status"`
		}
		out := p.stdout.String()
		if err := json.Unmarshal([]byte(out), &got); err != nil || strings.Count(out, "\n") != 1 {
			t.Fatalf("%s: %v: %q", c.flags, err, out)
		}
		if got.Status != c.status || (got.Cost == nil) != (c.cost == "") || got.Cost != nil && *got.Cost != c.cost {
			t.Errorf("%s: %s", c.flags, out)
		}
	}
}
