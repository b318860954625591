package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0.000004500000000000000000000000000000000": "0.0000045",
		"0.06": "0.06", "12": "12", "1,234.5": "1234.5", "-3.25": "-3.25", "4.5e-06": "0.0000045", "1.5E3": "1500", "12e0": "12",
		"0.0000000000001": "0", "$7.10": "7.1", ".5": "0.5", "+1": "1", "0e-5": "0", "1e-12": "0.000000000001",
	} {
		a, err := parseAmount(text, false)
		if err != nil || a.sum.String() != want {
			t.Errorf("%q is %s (%v), want %s", text, a.sum, err, want)
		}
	}
	for _, text := range []string{"", "x", "1.2.3", "1e99", "0x10", "NaN", "1,23", "--1", "1 2", "Infinity", "1e", strings.Repeat("9", 20), "null"} {
		if a, err := parseAmount(text, false); err == nil {
			t.Errorf("%q is %s", text, a.sum)
		}
	}
	if a, err := parseAmount("123.45", true); err != nil || a.sum.String() != "1.2345" {
		t.Errorf("123.45 cents are %s (%v)", a.sum, err)
	}
	if a, err := parseAmount("5", true); err != nil || a.sum.String() != "0.05" {
		t.Errorf("5 cents are %s (%v)", a.sum, err)
	}
}

// What an export cannot say exactly it says within its rounding.
func TestSlack(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.USD{
		"0.1234567890120000": 0, "0.1234567890123": 1, "1234.567890123456": 1, "0.30000000000000004": 2,
	} {
		a, err := parseAmount(text, false)
		if got := a.float() + roundingOf(a.decimals); err != nil || got != want {
			t.Errorf("%s may be off by %d pico-dollars (%v), want %d", text, got, err, want)
		}
	}
	if got := roundingOf(2); got != money.Cent/2 {
		t.Errorf("two digits are off by up to %s", got)
	}
}

func TestParseCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "10": 10, "10.0": 10, "1,234,567": 1234567, " 5 ": 5, "0.000": 0} {
		if n, err := parseCount(text); err != nil || n != want {
			t.Errorf("%q is %d (%v), want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"-1", "1.5", "1e5", "12,34", "x", strings.Repeat("9", 16)} {
		if n, err := parseCount(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ provider, model, want string }{
		{OpenAI, "gpt-4o-2024-08-06", "gpt-4o"},
		{OpenAI, "gpt-4o-mini-2024-07-18", "gpt-4o-mini"},
		{OpenAI, "openai/gpt-4o", "gpt-4o"},
		{OpenAI, "gpt-3.5-turbo-0125", "gpt-3.5-turbo"},
		{OpenAI, "gpt-4-0125-preview", "gpt-4-preview"},
		{OpenAI, "gpt-5.4-mini-2026-03-17", "gpt-5.4-mini"},
		{OpenAI, "ft:gpt-4o-2024-08-06:acme::abc", "ft-gpt-4o"},
		{OpenAI, "ft-gpt-4o-2024-08-06", "ft-gpt-4o"},
		{OpenAI, "text-embedding-ada-002-v2", "text-embedding-ada-002"},
		{OpenAI, "text-embedding-3-small", "text-embedding-3-small"},
		{Anthropic, "claude-sonnet-4-20250514", "claude-sonnet-4"},
		{Anthropic, "claude-sonnet-4-0", "claude-sonnet-4"},
		{Anthropic, "Claude Sonnet 4", "claude-sonnet-4"},
		{Anthropic, "Claude Haiku 4.5", "claude-haiku-4-5"},
		{Anthropic, "claude-haiku-4-5-20251001", "claude-haiku-4-5"},
		{Anthropic, "Claude 3.5 Sonnet 2024-10-22", "claude-3-5-sonnet"},
		{Anthropic, "claude-3-5-sonnet-latest", "claude-3-5-sonnet"},
		{Anthropic, "claude-opus-4-1-20250805", "claude-opus-4-1"},
	} {
		if got := Fold(c.provider, c.model); got != c.want {
			t.Errorf("%s is %s, want %s", c.model, got, c.want)
		}
	}
}

func TestLineItem(t *testing.T) {
	t.Parallel()
	for label, want := range map[string]string{
		"gpt-4o-mini-2024-07-18, cached input":       "gpt-4o-mini-2024-07-18",
		"evals | gpt-4o-mini-2024-07-18, input":      "gpt-4o-mini-2024-07-18",
		"gpt-audio-mini-2025-12-15 audio, input":     "gpt-audio-mini-2025-12-15",
		"gpt-image-2-2026-04-21 image, cached input": "gpt-image-2-2026-04-21",
		"gpt-4o-mini-2024-07-18 batch, input":        "gpt-4o-mini-2024-07-18",
		"web search, high":                           "",
		"gpt-4o":                                     "gpt-4o",
		"web search tool calls":                      "",
		"assistants api | file search":               "",
		"text-embedding-3-small, input":              "text-embedding-3-small",
	} {
		model, is := lineItem(label)
		if !is {
			model = ""
		}
		if model != want {
			t.Errorf("%q is of %q, want %q", label, model, want)
		}
	}
}

// Shapes as providers have them, with all that tells kinds of tokens apart.
func TestShapes(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		text   string
		format Format
		want   theirs
	}{
		"newer usage, audio in the sum": {
			`[{"object":"bucket","start_time":1772323200,"end_time":1772326800,"results":[{"object":"organization.usage.completions.result","model":"m",
			"input_tokens":100,"input_text_tokens":60,"input_audio_tokens":40,"input_cached_tokens":30,"input_cache_write_tokens":5,"output_tokens":9,"num_model_requests":2}]}]`,
			OpenAIUsage,
			theirs{requests: 2, input: 100, cacheRead: 30, cacheWrite: 5, output: 9},
		},
		"older usage, audio beside": {`{"start_time":1772323200,"results":[{"model":"m","input_tokens":60,"input_text_tokens":60,"input_audio_tokens":40,"output_tokens":9,"output_text_tokens":9,
			"output_audio_tokens":1,"num_model_requests":2}]}`, OpenAIUsage, theirs{requests: 2, input: 100, cacheRead: unsaid, cacheWrite: unsaid, output: 10}},
		"embeddings": {
			`{"data":[{"start_time":1772323200,"end_time":1772409600,"results":[{"object":"organization.usage.embeddings.result","input_tokens":16,"num_model_requests":2,"model":"m"}]}]}`,
			OpenAIUsage,
			theirs{requests: 2, input: 16, cacheRead: unsaid, cacheWrite: unsaid},
		},
		"messages with caches": {
			`{"data":[{"starting_at":"2026-03-01T00:00:00Z","ending_at":"2026-03-02T00:00:00Z","results":[{"uncached_input_tokens":1,"cache_creation":
			{"ephemeral_1h_input_tokens":10,"ephemeral_5m_input_tokens":100},"cache_read_input_tokens":1000,"output_tokens":7,"server_tool_use":{"web_search_requests":3},"model":"m"}]}],"has_more":false}`,
			AnthropicUsage,
			theirs{requests: unsaid, input: 1111, cacheRead: 1000, cacheWrite: 110, output: 7},
		},
		"older console, one column of cache writes": {
			"usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write,usage_input_tokens_cache_read,usage_output_tokens\n2026-03-01T05:00:00Z,m,1,20,300,4\n",
			AnthropicUsage,
			theirs{requests: unsaid, input: 321, cacheRead: 300, cacheWrite: 20, output: 4},
		},
		"a spreadsheet's headers": {
			"Usage Date (UTC)\tModel\tInput Tokens\tCache Creation Input Tokens\tCache Read Input Tokens\tOutput Tokens\n2026/3/1\tclaude-x\t1\t20\t300\t4\n",
			AnthropicUsage,
			theirs{requests: unsaid, input: 321, cacheRead: 300, cacheWrite: 20, output: 4},
		},
		"minutes, semicolons": {
			"start_time;end_time;num_model_requests;model;input_tokens;output_tokens;input_cached_tokens\n1772323200;1772323260;1;m;10;1;0\n1772323260;1772323320;1;m;10;1;4\n",
			OpenAIUsage,
			theirs{requests: 2, input: 20, cacheRead: 4, cacheWrite: unsaid, output: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b Books
			if err := b.Read(strings.NewReader(c.text), "x", ""); err != nil {
				t.Fatal(err)
			}
			if len(b.cells) != 1 || !b.covered[c.format][day.Unix()] {
				t.Fatalf("%+v %+v", b.cells, b.covered)
			}
			for k, got := range b.cells {
				if k.format != c.format || got.requests != c.want.requests || got.input != c.want.input || got.output != c.want.output ||
					got.cacheRead != c.want.cacheRead || got.cacheWrite != c.want.cacheWrite {
					t.Errorf("%+v: %+v, want %+v", k, got, c.want)
				}
			}
		})
	}
}

// What is not understood is refused with the reason, and never counted in part.
func TestRefused(t *testing.T) {
	t.Parallel()
	const head = "start_time,model,input_tokens,output_tokens,num_model_requests\n"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                 {"", "is empty"},
		"another table":           {"a,b\n1,2\n", `the columns are "a", "b"`},
		"days without figures":    {"date,model\n2026-03-01,gpt-4o\n", "neither tokens nor amounts"},
		"nobody's table":          {"date,model,input_tokens\n2026-03-01,x,1\n", "--format"},
		"another object":          {`{"id":"x","choices":[]}`, "its fields are choices, id"},
		"broken":                  {`{"data":[`, "not JSON"},
		"an error":                {`{"error":{"message":"Missing scopes"}}`, "Missing scopes"},
		"another currency":        {`{"data":[{"start_time":1772323200,"results":[{"amount":{"value":1,"currency":"eur"},"line_item":"m"}]}]}`, "in eur"},
		"no amount":               {`{"data":[{"start_time":1772323200,"results":[{"amount":{"value":null,"currency":"usd"},"line_item":"m"}]}]}`, "no amount"},
		"a week in one bucket":    {`{"data":[{"start_time":1772323200,"end_time":1772928000,"results":[{"model":"m","input_tokens":1}]}]}`, "export by day"},
		"a quote left open":       {head + "1772323200,\"m,1,1,1\n1772323200,m,1,1,1\n", "not closed"},
		"a line cut off":          {head + "1772323200,m,1,1,1\n1772323200,m,1", "it has 3 fields"},
		"negative":                {head + "1772323200,m,-1,1,1\n", "line 2"},
		"half a token":            {head + "1772323200,m,1.5,1,1\n", "no count"},
		"a strange day":           {head + "yesterday,m,1,1,1\n", "no day"},
		"a result without counts": {`{"data":[{"start_time":1772323200,"results":[{"x":1}]}]}`, "neither tokens nor an amount"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b Books
			err := b.Read(strings.NewReader(c.text), "x", "")
			if err == nil || !strings.Contains(err.Error(), c.want) || len(b.cells) > 0 {
				t.Errorf("%v, want %q; counted %v", err, c.want, b.cells)
			}
		})
	}
	var b Books
	if err := b.Read(strings.NewReader(head+"1772323200,m,1,1,1\n"), "x", AnthropicCosts); !errors.Is(err, ErrFormat) {
		t.Errorf("another format than was said: %v", err)
	}
}

// The same file counts once; files that overlap are refused.
func TestOverlap(t *testing.T) {
	t.Parallel()
	const head, row = "start_time,model,input_tokens,output_tokens,num_model_requests\n", "1772323200,m,1,1,1\n"
	var b Books
	for _, text := range []string{head + row, head + row} {
		if err := b.Read(strings.NewReader(text), "x", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Notes()) != 1 {
		t.Errorf("notes %q", b.Notes())
	}
	if err := b.Read(strings.NewReader(head+row+"1772409600,m,1,1,1\n"), "y", ""); err == nil || !strings.Contains(err.Error(), "y tells again what x told of 2026-03-01") {
		t.Errorf("overlapping files: %v", err)
	}
	for _, c := range b.cells {
		if c.input != 1 {
			t.Errorf("counted %d times", c.input)
		}
	}
	const page = `{"data":[{"start_time":1772323200,"results":[{"model":"m","input_tokens":7,"num_model_requests":1}]}],"has_more":%s}`
	b = Books{}
	if err := b.Read(strings.NewReader(fmt.Sprintf(page+"\n"+page, "true", "true")), "z", ""); err != nil || len(b.Notes()) != 1 || b.cells[cellKey{format: OpenAIUsage, day: 1772323200, model: "m"}].input != 7 {
		t.Errorf("a page twice in one file: %v %q", err, b.Notes())
	}
	b = Books{}
	if err := b.Read(strings.NewReader(fmt.Sprintf(page+"\n"+page, "true", "false")), "z", ""); err == nil || !strings.Contains(err.Error(), "of 2026-03-01 twice") {
		t.Errorf("pages that overlap in one file: %v", err)
	}
}

// Whatever is read, it is read or refused, and what is read is counted once, and never below nothing.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"start_time,model,input_tokens,output_tokens,num_model_requests\n1772323200,m,1,1,1\n",
		"usage_date_utc,model,cost_usd,token_type\n2026-03-01,Claude Haiku 4.5,0.05,output\n",
		`{"data":[{"start_time":1772323200,"results":[{"amount":{"value":"1.5","currency":"usd"},"line_item":"m, input"}]}],"has_more":true}`,
		`[{"starting_at":"2026-03-01T00:00:00Z","results":[{"uncached_input_tokens":1,"output_tokens":7,"model":"m"}]}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Books
		err := b.Read(bytes.NewReader(data), "x", "")
		if err != nil && len(b.cells) > 0 {
			t.Fatalf("refused (%v), and counted %d", err, len(b.cells))
		}
		for k, c := range b.cells {
			if c.input < unsaid || c.output < unsaid || c.requests < unsaid || k.day%86400 != 0 || c.slack.Negative() {
				t.Fatalf("%+v: %+v", k, c)
			}
		}
		Compare(&b, Ledger{}, Options{})
	})
}
