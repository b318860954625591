package usage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/tokens"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func outline(t testing.TB, api usage.API, body string) usage.Outline {
	t.Helper()
	o, err := usage.ReadOutline(api, "p", []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return o
}

// Which requests begin like others.
func TestOutlineNames(t *testing.T) {
	t.Parallel()
	const (
		system = `"system":"s",`
		first  = `{"role":"user","content":[{"type":"text","text":"a"}]}`
		second = `{"role":"assistant","content":"b"}`
	)
	messages := func(more string, list ...string) string {
		return `{"model":"m",` + more + `"messages":[` + strings.Join(list, ",") + `]}`
	}
	base := messages(system, first)
	for _, c := range []struct {
		name, body string
		same       bool
	}{
		{"itself", base, true},
		{"a longer one", messages(system, first, second), true},
		{"other space around the messages", `{ "model":"m", "system":"s", "messages" : [ ` + first + `, ` + second + ` ] }`, true},
		{"another order of the fields", `{"messages":[` + first + `],"system":"s","model":"m"}`, true},
		{"what the answer is to be", messages(system+`"max_tokens":5,"stream":true,"temperature":0.5,"metadata":{"user_id":"u"},`, first), true},
		{"a mark for the cache", messages(system, `{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}`), true},
		{"a mark of the other kind", messages(system, `{"role":"user","content":[{"type":"text","prompt_cache_breakpoint":{"mode":"explicit"},"text":"a"}]}`), true},
		{"another text", messages(system, `{"role":"user","content":[{"type":"text","text":"A"}]}`), false},
		{"another role", messages(system, `{"role":"assistant","content":[{"type":"text","text":"a"}]}`), false},
		{"another system prompt", messages(`"system":"t",`, first), false},
		{"no system prompt", messages("", first), false},
		{"tools", messages(system+`"tools":[{"name":"t"}],`, first), false},
		{"thinking", messages(system+`"thinking":{"type":"enabled","budget_tokens":5},`, first), false},
		{"an unknown field", messages(system+`"betas":[],`, first), false},
		{"another model", `{"model":"n",` + system + `"messages":[` + first + `]}`, false},
		{"two messages in one", messages(system, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`), false},
		{"a message before", messages(system, second, first), false},
		{"parts that read alike", messages(system, `{"role":"user","content":"[{type,text,text,a}]"}`), false},
	} {
		want := outline(t, usage.Messages, base).Ends(1)[0]
		if got := slices.Contains(outline(t, usage.Messages, c.body).Ends(10), want); got != c.same {
			t.Errorf("%s: %v, want %v", c.name, got, c.same)
		}
	}
	other, err := usage.ReadOutline(usage.Messages, "another provider", []byte(base))
	if err != nil || other.Ends(1)[0] == outline(t, usage.Messages, base).Ends(1)[0] {
		t.Errorf("another provider: %v", err)
	}
}

// A compaction takes the place of what is before it, so that nothing is known of that by itself.
func TestNothingIsKnownBeforeACompaction(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int{"text": 2, "tool_use": 2, "compaction": 1, "something_new": 1} {
		if got := len(outline(t, usage.Messages, `{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"`+kind+`"}]}]}`).Ends(5)); got != want {
			t.Errorf("%s: %d beginnings, want %d", kind, got, want)
		}
	}
	if got := len(outline(t, usage.Responses, `{"input":[{"role":"user","content":"x"},{"type":"compaction","encrypted_content":"y"}]}`).Ends(5)); got != 1 {
		t.Errorf("%d beginnings", got)
	}
}

// Requests whose input is not all in their body have no outline.
func TestNoOutline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api  usage.API
		body string
	}{
		{usage.Responses, `{"input":"x","previous_response_id":"r"}`},
		{usage.Responses, `{"input":"x","conversation":"c"}`},
		{usage.Responses, `{"input":"x","truncation":"auto"}`},
		{usage.Responses, `{"input":"x","tools":[{"type":"web_search"}]}`},
		{usage.Responses, `{"input":[{"type":"item_reference","id":"x"}]}`},
		{usage.Responses, `{"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]}`},
		{usage.Responses, `{}`},
		{usage.Chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}]}]}`},
		{usage.Chat, `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`},
		{usage.Chat, `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f","file_data":"data:application/pdf;base64,AAAA"}}]}]}`},
		{usage.Chat, `{"messages":[]}`},
		{usage.Chat, `{"messages":"x"}`},
		{usage.Messages, `{"messages":[{"role":"user","content":"x"}],"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}}`},
		{usage.Messages, `{"messages":[{"role":"user","content":"x"}],"mcp_servers":[{"url":"x"}]}`},
		{usage.Chat, `{"messages":[` + strings.Repeat(`{},`, 30_000) + `{}]}`},
		{usage.Completions, `{"prompt":"x"}`},
		{usage.Embeddings, `{"input":"x"}`},
		{usage.Gemini, `{"contents":[]}`},
	} {
		if _, err := usage.ReadOutline(c.api, "p", []byte(c.body)); !errors.Is(err, usage.ErrNoOutline) {
			t.Errorf("%.100s: %v", c.body, err)
		}
	}
	if _, err := usage.ReadOutline(usage.Chat, "p", []byte(`{"messages":[`)); err == nil || errors.Is(err, usage.ErrNoOutline) {
		t.Errorf("half a body: %v", err)
	}
}

// What follows a known beginning is bounded by its bytes, and by what its media are.
func TestOutlineBound(t *testing.T) {
	t.Parallel()
	p := price(t, "gpt-4o")
	const (
		around  = 64 + 8 // for a request, and for a message
		head    = `{"messages":[{"role":"user","content":"hello"}`
		picture = `{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + url + `"}}]}`
		sound   = `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"wav"}}]}`
		pages   = `{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}}]}`
	)
	known := outline(t, usage.Chat, head+`]}`).Ends(1)[0]
	find := func(whole bool) func(usage.PrefixID) (usage.Known, bool) {
		return func(id usage.PrefixID) (usage.Known, bool) {
			return usage.Known{Tokens: 1000, Whole: whole}, id == known
		}
	}
	bytes := func(s string) int64 { return int64(len(s)) + 1 }
	for _, c := range []struct {
		name, more string
		whole      bool
		want       int64 // besides what is known; 0: no bound
	}{
		{"nothing new", "", true, 64},
		{"a text", `{"role":"assistant","content":"xyz"}`, true, around + bytes(`{"role":"assistant","content":"xyz"}`)},
		{"a picture", picture, true, around + bytes(picture) - int64(len(url)) + 1600},
		{"sound", sound, true, around + bytes(sound) - 8 + 8},
		{"pages", pages, true, 0},
		{"known in part", `{"role":"user","content":"x"}`, false, around + bytes(`{"role":"user","content":"x"}`)},
	} {
		body := head + `,` + c.more + `]}`
		if c.more == "" {
			body = head + `]}`
		}
		tokens, after, ok := outline(t, usage.Chat, body).Bound(p, find(c.whole))
		if !ok && c.want == 0 {
			continue
		}
		if !ok || after != 1 || tokens != 1000+c.want {
			t.Errorf("%s: %d after %d messages, %v; want %d", c.name, tokens, after, ok, 1000+c.want)
		}
	}
	// The pages are known, when they are before.
	withPages := outline(t, usage.Chat, `{"messages":[`+pages+`]}`).Ends(1)[0]
	long := outline(t, usage.Chat, `{"messages":[`+pages+`,{"role":"user","content":"x"}]}`)
	if tokens, _, ok := long.Bound(p, func(id usage.PrefixID) (usage.Known, bool) {
		return usage.Known{Tokens: 900, Whole: true}, id == withPages
	}); !ok || tokens < 900 || tokens > 1050 {
		t.Errorf("%d, %v", tokens, ok)
	}
	if _, _, ok := long.Bound(p, func(usage.PrefixID) (usage.Known, bool) { return usage.Known{}, false }); ok {
		t.Error("bounded by nothing")
	}
}

// Thinking that a provider may have left out of one conversation counts in another that begins like it.
func TestThoughtOfAPartIsAdded(t *testing.T) {
	t.Parallel()
	for api, beginning := range map[usage.API]string{
		usage.Messages:  `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"` + strings.Repeat("t", 500) + `","signature":"s"},{"type":"text","text":"x"}]}`,
		usage.Chat:      `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","reasoning_content":"` + strings.Repeat("t", 500) + `","content":"x"}`,
		usage.Responses: `{"model":"m","input":[{"role":"user","content":"q"},{"type":"reasoning","encrypted_content":"` + strings.Repeat("t", 500) + `","summary":[]}`,
	} {
		id := outline(t, api, beginning+`]}`).Ends(1)[0]
		next := outline(t, api, beginning+`,{"role":"user","content":"x"}]}`)
		bound := func(whole bool) int64 {
			tokens, _, ok := next.Bound(price(t, "gpt-4o"), func(p usage.PrefixID) (usage.Known, bool) { return usage.Known{Tokens: 50, Whole: whole}, p == id })
			if !ok {
				t.Errorf("%s: not known", api)
			}
			return tokens
		}
		if whole, part := bound(true), bound(false); part < whole+500 || whole > 300 {
			t.Errorf("%s: %d as a whole, %d as a part", api, whole, part)
		}
	}
}

// reader is a provider with a vocabulary of its own, in which a token is at least a byte, and with a few tokens of its own around each message.
type reader struct {
	perToken int
	around   int64
}

func (r reader) count(messages []string) int64 {
	n := int64(20)
	for _, m := range messages {
		var v struct{ Content string }
		if err := json.Unmarshal([]byte(m), &v); err != nil {
			panic(err)
		}
		n += r.around + int64((len(v.Content)+r.perToken-1)/r.perToken)
	}
	return n
}

// A bound by what is known of a beginning is never below what the provider counts, whatever his vocabulary, and whatever became of the conversation.
func TestAKnownBeginningBounds(t *testing.T) {
	t.Parallel()
	p := price(t, "gpt-4o")
	rapid.Check(t, func(t *rapid.T) {
		r := reader{rapid.IntRange(1, 8).Draw(t, "bytes per token"), rapid.Int64Range(0, 8).Draw(t, "around")}
		messages := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			raw, err := json.Marshal(map[string]string{"role": "user", "content": rapid.String().Draw(t, "text")})
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}), 1, 8).Draw(t, "messages")
		body := func(list []string) []byte { return []byte(`{"messages":[` + strings.Join(list, ",") + `]}`) }
		known := make(map[usage.PrefixID]usage.Known)
		for range rapid.IntRange(1, 4).Draw(t, "calls") {
			earlier := messages[:rapid.IntRange(1, len(messages)).Draw(t, "length")]
			o, err := usage.ReadOutline(usage.Chat, "p", body(earlier))
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range o.Ends(5) {
				known[id] = usage.Known{Tokens: r.count(earlier), Whole: i == 0}
			}
		}
		now := slices.Clone(messages)
		if i := rapid.IntRange(0, 2*len(now)).Draw(t, "changed"); i < len(now) {
			now[i] = `{"role":"user","content":"something else"}`
		}
		o, err := usage.ReadOutline(usage.Chat, "p", body(now))
		if err != nil {
			t.Fatal(err)
		}
		bound, after, ok := o.Bound(p, func(id usage.PrefixID) (usage.Known, bool) { k, ok := known[id]; return k, ok })
		if truth := r.count(now); ok && (bound < truth || after < 1 || after > len(now)) {
			t.Fatalf("%d after %d messages, in truth %d", bound, after, truth)
		}
	})
}

// rendered is how OpenAI's models read a conversation: a few tokens around each message (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken).
func rendered(count func(string) (int64, bool), texts []string) (n int64) {
	n = 3
	for _, text := range texts {
		more, _ := count(text)
		n += more + 4
	}
	return n
}

// Bounds by bytes and by a tokenizer hold for texts of all kinds, and the second is the nearer one.
func TestTokenizedBounds(t *testing.T) {
	t.Parallel()
	p := price(t, "gpt-4o")
	count, ok := tokens.For("gpt-4o")
	if !ok {
		t.Fatal("no tokenizer")
	}
	check := func(t interface{ Fatalf(string, ...any) }, texts []string) {
		var list []map[string]string
		for _, text := range texts {
			list = append(list, map[string]string{"role": "user", "content": text})
		}
		body, err := json.Marshal(map[string]any{"messages": list})
		if err != nil {
			t.Fatalf("%v", err)
		}
		r, err := usage.ReadRequest(usage.Chat, body)
		if err != nil {
			t.Fatalf("%v", err)
		}
		o, err := usage.ReadOutline(usage.Chat, "p", body)
		if err != nil {
			t.Fatalf("%v", err)
		}
		in, _, _ := usage.InputBound(p, r)
		fewer := o.Tokenized(0, count)
		if truth := rendered(count, texts); in.Total() < truth || in.Total()-fewer < truth || fewer < 0 {
			t.Fatalf("%d tokens; at most %d by bytes, %d less by tokens", truth, in.Total(), fewer)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.SliceOfN(rapid.OneOf(
			rapid.String(), rapid.StringN(100, 3000, -1), rapid.StringMatching(`[ \n]{100,1000}`), rapid.StringMatching(`[a-z ,.]{100,1000}`),
			rapid.Custom(func(t *rapid.T) string {
				return corpora[rapid.SampledFrom(slices.Sorted(maps.Keys(corpora))).Draw(t, "kind")](rapid.IntRange(1, 4000).Draw(t, "size"))
			}),
		), 1, 4).Draw(t, "texts"))
	})
	for name, write := range corpora {
		t.Run(name, func(t *testing.T) { check(t, []string{write(5_000), write(100)}) })
	}
}

// A tokenizer that gives up leaves the rest to the bytes.
func TestATokenizerThatGivesUp(t *testing.T) {
	t.Parallel()
	o := outline(t, usage.Responses, fmt.Sprintf(`{"instructions":%q,"input":[{"role":"user","content":%q},{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,%s"}]}]}`,
		strings.Repeat("i", 1000), strings.Repeat("x", 5000), strings.Repeat("A", 5000)))
	var pieces []int
	all := o.Tokenized(0, func(text string) (int64, bool) { pieces = append(pieces, len(text)); return 1, true })
	if want := []int{1000, 2048, 2048, 904}; !slices.Equal(pieces, want) || all != 1002-251+5002-1251 {
		t.Errorf("%d in pieces of %d, want %d", all, pieces, want)
	}
	calls := 0
	if got := o.Tokenized(0, func(string) (int64, bool) { calls++; return 1, calls < 3 }); got != 1002-251 {
		t.Errorf("%d by the first text alone", got)
	}
	if got := o.Tokenized(1, func(string) (int64, bool) { return 1, true }); got != 0 {
		t.Errorf("%d of a picture", got)
	}
	if got := o.Tokenized(9, func(string) (int64, bool) { return 1, true }); got != 0 {
		t.Errorf("%d of nothing", got)
	}
}

// A body that is made to be slow is read about as fast as any other.
func TestReadOutlineIsLinear(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	for name, body := range map[string]string{
		"messages": `{"messages":[` + strings.Repeat(`{},`, size/3) + `{}]}`,
		"blocks":   `{"messages":[{"content":[` + strings.Repeat(`{},`, size/3) + `{}]}]}`,
		"members":  `{"messages":[{"content":[{"a":[` + strings.Repeat(`{},`, size/3) + `{}]}]}]}`,
		"escapes":  `{"messages":[{"content":"` + strings.Repeat(`\u0020\n`, size/8) + `"}]}`,
		"deep":     `{"messages":[{"content":[{"a":` + strings.Repeat(`[`, 900) + `"` + strings.Repeat("x", size) + `"` + strings.Repeat(`]`, 900) + `}]}]}`,
	} {
		start := time.Now()
		o, err := usage.ReadOutline(usage.Chat, "p", []byte(body))
		if err == nil {
			o.Tokenized(0, func(text string) (int64, bool) { return int64(len(text)), true })
		} else if !errors.Is(err, usage.ErrNoOutline) {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Minute { // it is a tenth of a second, on a machine with nothing else to do, and many minutes where it is not linear
			t.Errorf("%s: %v for 1 MB", name, took)
		}
	}
}

func FuzzReadOutline(f *testing.F) {
	f.Add("chat", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{}}]},{"role":"assistant","content":null}]}`)
	f.Add("messages", `{"system":[{"type":"text","text":"s"}],"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t"}]}]}`)
	f.Add("responses", `{"input":[{"type":"reasoning","summary":[]},"x",[],null,{"type":"message","content":[{"type":"input_file","file_data":"data:application/pdf;base64,AA"}]}]}`)
	f.Add("responses", `{"input":"text","instructions":"i"}`)
	p, err := pricing.Embedded().Lookup("openai", "gpt-4o", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, api, body string) {
		if _, err := usage.ReadRequest(usage.API(api), []byte(body)); err != nil {
			t.Skip()
		}
		o, err := usage.ReadOutline(usage.API(api), "p", []byte(body))
		if err != nil {
			return
		}
		ids := o.Ends(1 << 20)
		for _, id := range ids {
			bound, after, ok := o.Bound(p, func(at usage.PrefixID) (usage.Known, bool) { return usage.Known{Tokens: 7, Whole: true}, at == id })
			if ok && (bound < 7 || after < 1) {
				t.Fatalf("%d after %d", bound, after)
			}
		}
		if fewer := o.Tokenized(0, func(text string) (int64, bool) { return int64(len(text)), true }); fewer < 0 {
			t.Fatal(fewer)
		}
	})
}
