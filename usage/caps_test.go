package usage_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	hundred := 100 * money.Dollar
	for _, c := range []struct {
		name, model string
		request     usage.Request
		choice      usage.CapChoice
		want        int64
		inject      bool
	}{
		{"its own cap stands", "plain", usage.Request{API: usage.Chat, HasCap: true, OutputCap: 5}, usage.CapChoice{}, 5, false},
		{"even in a batch", "plain", usage.Request{API: usage.Chat, HasCap: true, OutputCap: 5}, usage.CapChoice{Batch: true}, 5, false},
		{"embeddings", "vectors", usage.Request{API: usage.Embeddings}, usage.CapChoice{Batch: true}, 0, false},
		{"completions", "plain", usage.Request{API: usage.Completions}, usage.CapChoice{Free: hundred}, 16, true},
		{"enough money for the maximum", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: hundred}, 16384, false},
		{"messages always carry a cap", "claude-fast", usage.Request{API: usage.Messages}, usage.CapChoice{Free: 1000 * money.Dollar}, 128000, true},
		{"not enough, so the default", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: money.MustParse("0.4")}, 4096, true},
		{"what the share pays for", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: money.MustParse("0.08")}, 2484, true}, // (0.01 − 64 µ$) ÷ 4 µ$
		{"of which each call has one", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: money.MustParse("0.08"), Calls: 2}, 1984, true},
		{"each choice", "plain", usage.Request{API: usage.Chat, Choices: 2}, usage.CapChoice{Free: money.MustParse("0.08")}, 1242, true},
		{"at least the floor", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: money.Cent}, 1024, true},
		{"even without money", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Free: -5}, 1024, true},
		{"batches do not look at the money", "plain", usage.Request{API: usage.Chat}, usage.CapChoice{Batch: true, Free: hundred}, 4096, true},
		{"thought needs more", "plain", usage.Request{API: usage.Chat, Reasoning: true}, usage.CapChoice{Batch: true}, 16384, true}, // the model's maximum
		{"models that think", "gpt-5", usage.Request{API: usage.Chat}, usage.CapChoice{Batch: true}, 32768, true},
		{"and their floor", "gpt-5", usage.Request{API: usage.Chat}, usage.CapChoice{}, 8192, true},
		{"no known maximum", "openrouter/vendor/model", usage.Request{API: usage.Chat}, usage.CapChoice{Free: hundred}, 4096, true},
	} {
		got, inject, err := usage.CapRule{}.Choose(price(t, c.model), c.request, c.choice)
		if err != nil || got != c.want || inject != c.inject {
			t.Errorf("%s: %d, %v, %v; want %d, %v", c.name, got, inject, err, c.want, c.inject)
		}
	}
	rule := usage.CapRule{Default: 100, Floor: 500}.WithDefaults()
	if rule.Floor != 100 || rule.ReasoningDefault != usage.DefaultCaps.ReasoningDefault {
		t.Errorf("%+v", rule)
	}
}

// A cap between floor and default is the largest one that the share pays for.
func TestChooseSpendsTheShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPrice(t), drawRequest(t)
		r.API = usage.Chat
		choice := usage.CapChoice{Free: money.USD(rapid.Int64Range(0, int64(100*money.Dollar)).Draw(t, "free")), Calls: rapid.IntRange(0, 20).Draw(t, "calls")}
		rule := usage.DefaultCaps
		got, inject, err := rule.Choose(p, r, choice)
		if err != nil || !inject {
			t.Fatalf("%d, %v, %v", got, inject, err)
		}
		def, floor := rule.Default, rule.Floor
		if p.Reasoning {
			def, floor = rule.ReasoningDefault, rule.ReasoningFloor
		}
		share := choice.Free / money.USD(8+choice.Calls)
		if bound, _, _ := usage.Bound(p, r, got); bound > share && got > floor {
			t.Fatalf("%d tokens cost %s of a share of %s", got, bound, share)
		}
		if more, _, _ := usage.Bound(p, r, got+1); more <= share && got < def {
			t.Fatalf("%d tokens could be more", got)
		}
	})
}

func TestInjectCap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api               usage.API
		field, body, want string
	}{
		{usage.Chat, "max_tokens", `{"model":"m"}`, `{"model":"m","max_tokens":7}`},
		{usage.Chat, "max_completion_tokens", `{}`, `{"max_completion_tokens":7}`},
		{usage.Chat, "max_tokens", "{ \"a\" : 1 \n} ", "{ \"a\" : 1 \n,\"max_tokens\":7} "},
		{usage.Chat, "max_tokens", `{"max_tokens": null,"a":1.0}`, `{"max_tokens": 7,"a":1.0}`},
		{usage.Chat, "max_tokens", `{"max\u005ftokens":null}`, `{"max\u005ftokens":7}`},
		{usage.Chat, "max_tokens", `{"x":{"max_tokens":1}}`, `{"x":{"max_tokens":1},"max_tokens":7}`},
		{usage.Responses, "max_tokens", `{"input":"}"}`, `{"input":"}","max_output_tokens":7}`},
		{usage.Messages, "max_completion_tokens", `{"a":[]}`, `{"a":[],"max_tokens":7}`},
		{usage.Completions, "", `{"prompt":"x"}`, `{"prompt":"x","max_tokens":7}`},
	} {
		body := []byte(c.body)
		got, err := usage.InjectCap(c.api, c.field, body, 7)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.body, got, err, c.want)
		}
		if string(body) != c.body {
			t.Errorf("%s was changed", c.body)
		}
	}
	for _, c := range []struct {
		api         usage.API
		field, body string
		outputCap   int64
	}{
		{usage.Embeddings, "max_tokens", `{}`, 7},
		{usage.Chat, "max_words", `{}`, 7},
		{usage.Chat, "max_tokens", `[]`, 7},
		{usage.Chat, "max_tokens", `{"a":`, 7},
		{usage.Chat, "max_tokens", `{"max_tokens":null,"max_tokens":null}`, 7},
		{usage.Chat, "max_tokens", `{}`, -1},
	} {
		if got, err := usage.InjectCap(c.api, c.field, []byte(c.body), c.outputCap); err == nil {
			t.Errorf("%s: %s, want an error", c.body, got)
		}
	}
}

func TestSetField(t *testing.T) {
	t.Parallel()
	got, err := usage.SetField([]byte(`{"mod\u0065l":"a","x":"`+strings.Repeat("y", 10)+`"}`), "model", []byte(`"b"`))
	if want := `{"mod\u0065l":"b","x":"yyyyyyyyyy"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}
