package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runs runs the program in a folder of its own and returns its exit code and output.
func runs(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "aurea.yaml")
	if err := os.WriteFile(config, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = Run(append(args, "--config", config, "--database", "sqlite:"+filepath.Join(dir, "a.db")), strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

const ownPrices = `{
  "plain": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_input_tokens": 1000, "max_output_tokens": 100},
  "tiers": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "input_cost_per_token_batches": 5e-7, "output_cost_per_token_batches": 1e-6,
            "input_cost_per_token_priority": 2e-6, "output_cost_per_token_priority": 4e-6},
  "claude-own": {"litellm_provider": "anthropic", "input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6, "cache_read_input_token_cost": 1e-7,
                 "cache_creation_input_token_cost": 1.25e-6, "cache_creation_input_token_cost_above_1hr": 2e-6, "max_output_tokens": 100, "max_input_tokens": 1000},
  "finds": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "input_cost_per_token_priority": 2e-6,
            "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.02, "search_context_size_high": 0.03}},
  "quick": {"litellm_provider": "groq", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
  "gemini-own": {"litellm_provider": "gemini", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5, "cache_read_input_token_cost": 1e-7,
                 "input_cost_per_token_batches": 5e-7, "output_cost_per_token_batches": 5e-6},
  "draws": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "output_cost_per_image": 0.04}
}`

// What it says of an answer is one object, whatever the answer is.
func TestPricesCompute(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	prices := write("prices.json", ownPrices)
	request := write("request.json", `{"model":"plain","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
	hour := write("hour.json", `{"model":"claude-own","max_tokens":50,"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}`)
	sized := write("sized.json", `{"model":"finds","input":"hi","max_output_tokens":9,"tools":[{"type":"web_search","search_context_size":"low"}]}`)
	unsized := write("unsized.json", `{"model":"finds","input":"hi","max_output_tokens":9,"tools":[{"type":"web_search"}]}`)
	bad := write("bad.json", `{"model":`)
	const found = `{"status":"completed","output":[{"type":"web_search_call","id":"1","status":"completed","action":{"type":"search"}}],"usage":{"input_tokens":100,"output_tokens":10,"total_tokens":110}}`
	const chat = `{"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}`
	for name, c := range map[string]struct {
		stdin, flags, cost, status string
		code                       int
	}{
		"exact":                 {chat, "--api chat --model plain", "0.00012", "exact", 0},
		"batch":                 {chat, "--api chat --model tiers --tier batch", "0.00006", "exact", 0},
		"priority by the flag":  {chat, "--api chat --model tiers --tier priority", "0.00024", "exact", 0},
		"the answer's own tier": {`{"service_tier":"default",` + chat[1:], "--api chat --model tiers --tier priority", "0.00012", "exact", 0},
		"priority unpriced":     {chat, "--api chat --model plain --tier priority", "0.00036", "estimated", 0},
		"streamed": {
			"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[]," + chat[1:] + "\n\ndata: [DONE]\n\n", "--api chat --model plain",
			"0.00012", "exact", 0,
		},
		"cut off, bounded":        {"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n", "--api chat --request " + request, "", "estimated", 0},
		"cut off":                 {"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n", "--api chat --model plain", "", "invalid_usage", 1},
		"no usage":                {`{"id":"1"}`, "--api chat --model plain", "", "invalid_usage", 1},
		"no usage, bounded":       {`{"id":"1"}`, "--api chat --request " + request, "", "estimated", 0},
		"nothing":                 {"", "--api chat --model plain", "", "invalid_usage", 1},
		"garbage":                 {"\x00\xff{", "--api chat --model plain", "", "invalid_usage", 1},
		"impossible":              {`{"usage":{"prompt_tokens":-1,"completion_tokens":1}}`, "--api chat --model plain", "", "invalid_usage", 1},
		"impossible and unknown":  {`{"usage":{"prompt_tokens":1e999,"completion_tokens":1}}`, "--api chat --model nobody", "", "invalid_usage", 1},
		"unknown":                 {chat, "--api chat --model plai", "", "unknown_model", 1},
		"a prefix is no match":    {chat, "--api chat --model plain-large", "", "unknown_model", 1},
		"a date is":               {chat, "--api chat --model plain-2026-01-02", "0.00012", "exact", 0},
		"OpenRouter's own figure": {`{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":0.0123}}`, "--api chat --model any/model --provider openrouter", "0.0123", "exact", 0},
		"another's figure":        {`{"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"cost":0.0123}}`, "--api chat --model plain --provider openai", "0.00012", "exact", 0},
		"cache writes unsplit":    {`{"usage":{"input_tokens":1,"cache_creation_input_tokens":100,"output_tokens":1}}`, "--api messages --model claude-own", "0.000131", "exact", 0},
		"for an hour perhaps":     {`{"usage":{"input_tokens":1,"cache_creation_input_tokens":100,"output_tokens":1}}`, "--api messages --request " + hour, "0.000206", "estimated", 0},
		"a search":                {found, "--api responses --model finds", "0.03012", "estimated", 0},
		"a small search":          {found, "--api responses --request " + sized, "0.01012", "exact", 0},
		"a search by default":     {found, "--api responses --request " + unsized, "0.02012", "exact", 0},
		"half a tier":             {chat, "--api chat --model finds --tier priority", "0.00024", "estimated", 0},
		"pictures uncounted":      {chat, "--api chat --model draws", "", "unknown_model", 1},
		"a request that is none":  {chat, "--api chat --model plain --request " + bad, "", "invalid_usage", 1},
		"no request":              {chat, "--api chat --model plain --request " + dir + "/none", "", "invalid_usage", 2},
		"no model":                {chat, "--api chat", "", "invalid_usage", 2},
		"no API":                  {chat, "--model plain", "", "invalid_usage", 2},
		"no tier":                 {chat, "--api chat --model plain --tier cheap", "", "invalid_usage", 2},
		"no such flag":            {chat, "--api chat --model plain --teir batch", "", "invalid_usage", 2},
		"a flag without a value":  {chat, "--api chat --tier batch --model", "", "invalid_usage", 2},
		"an argument too many":    {chat, "--api chat --model plain answer.json", "", "invalid_usage", 2},
		"batch unpriced":          {chat, "--api chat --model plain --tier batch", "0.00012", "estimated", 0},
		"flex unpriced":           {`{"service_tier":"flex",` + chat[1:], "--api chat --model plain", "0.00012", "estimated", 0},
		"Groq's flex":             {`{"service_tier":"flex",` + chat[1:], "--api chat --model quick", "0.00012", "exact", 0},
		"counts of nothing":       {`{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`, "--api chat --model plain", "", "invalid_usage", 1},
		"a place without a price": {`{"usage":{"input_tokens":100,"output_tokens":10,"inference_geo":"us"}}`, "--api messages --model claude-own", "0.000165", "estimated", 0},
		"a batch of Google's": {
			`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":400,"candidatesTokenCount":10,"totalTokenCount":1010}}`,
			"--api gemini --model gemini-own --tier batch", "0.00039", "exact", 0,
		},
		"flex of Google's": {
			`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":400,"candidatesTokenCount":10,"totalTokenCount":1010,"serviceTier":"flex"}}`,
			"--api gemini --model gemini-own", "0.00039", "estimated", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runs(t, c.stdin, append([]string{"prices", "compute", "--file", prices}, strings.Fields(c.flags)...)...)
			var got struct {
				Cost     *string `json:"cost_usd"`
				Status   string
				Complete bool
				Reason   string
			}
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatalf("%v: %q %q", err, stdout, stderr)
			}
			if code != c.code || got.Status != c.status || (got.Cost != nil) != (c.code == 0) {
				t.Errorf("exit %d: %s", code, stdout)
			}
			if c.cost != "" && (got.Cost == nil || *got.Cost != c.cost) {
				t.Errorf("want %s: %s", c.cost, stdout)
			}
			if got.Status != "exact" && got.Reason == "" {
				t.Errorf("no reason: %s", stdout)
			}
			if stderr != "" {
				t.Errorf("stderr: %s", stderr)
			}
		})
	}
}

// What is exported is read again as the same.
func TestPricesExport(t *testing.T) {
	t.Parallel()
	code, exported, _ := runs(t, "", "prices", "export")
	file := filepath.Join(t.TempDir(), "all.json")
	if err := os.WriteFile(file, []byte(exported), 0o600); err != nil || code != 0 {
		t.Fatal(err, code)
	}
	const answer = `{"usage":{"input_tokens":7,"cache_creation_input_tokens":300000,"cache_read_input_tokens":11,"output_tokens":13}}`
	args := []string{"prices", "compute", "--api", "messages", "--model", "claude-sonnet-4-5", "--provider", "anthropic"}
	_, before, _ := runs(t, answer, args...)
	_, after, _ := runs(t, answer, append(args, "--file", file)...)
	cost := func(s string) string { return s[:strings.Index(s, ",")] }
	if cost(before) != cost(after) || !strings.Contains(after, `"origin":"file"`) {
		t.Errorf("%s\n%s", before, after)
	}
	if code, out, _ := runs(t, "", "prices", "diff", file, file, "--json"); code != 0 || out != "{\"changes\":[]}\n" {
		t.Errorf("%d %s", code, out)
	}
}

func TestPricesDiffAndLint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from.json"), filepath.Join(dir, "to.json")
	for path, content := range map[string]string{
		from: ownPrices, to: strings.Replace(strings.Replace(ownPrices, `"plain"`, `"new"`, 1), `"output_cost_per_token_priority": 4e-6`, `"output_cost_per_token_priority": 9e-6`, 1),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, _ := runs(t, "", "prices", "diff", from, to); code != 0 || out != "new: added\nplain: removed\ntiers: output_cost_per_token_priority: 0.000004 → 0.000009\n" {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := runs(t, "", "prices", "lint", to); code != 1 || !strings.Contains(out, "tiers: output in priority") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := runs(t, "", "prices", "lint", from); code != 1 || out != "draws: the model counts as unknown: output_cost_per_image: answers do not count pictures\n" {
		t.Errorf("%d %q", code, out)
	}
	clean := filepath.Join(dir, "clean.json")
	if err := os.WriteFile(clean, []byte(`{"m": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := runs(t, "", "prices", "lint", clean); code != 0 || out != "" {
		t.Errorf("%d %q", code, out)
	}
	if code, _, errs := runs(t, "", "prices", "lint", filepath.Join(dir, "none.json")); code != 2 || errs == "" {
		t.Errorf("%d %q", code, errs)
	}
}

func TestPricesShow(t *testing.T) {
	t.Parallel()
	if code, out, _ := runs(t, "", "prices", "show", "gpt-4o"); code != 0 || !strings.Contains(out, "gpt-4o (openai)") || !strings.Contains(out, "priority") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs := runs(t, "", "prices", "show", "nobody"); code != 1 || !strings.Contains(errs, `"nobody": {input:`) {
		t.Errorf("%d %s", code, errs)
	}
}
