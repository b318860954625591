package usage_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/tokens"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// conversation is an agent's: twenty exchanges about a text of a kind, in pieces as tools return them.
func conversation(write func(int) string) (texts []string, body func(n int) []byte) {
	question := corpora["english"]
	for i := range 20 {
		texts = append(texts, question(200+i), write(3_000+100*i))
	}
	return texts, func(n int) []byte {
		list := []map[string]any{}
		for i, text := range texts[:n] {
			list = append(list, map[string]any{"role": []string{"user", "assistant"}[i%2], "content": text})
		}
		raw, err := json.Marshal(map[string]any{"model": "gpt-4o", "messages": list})
		if err != nil {
			panic(err)
		}
		return raw
	}
}

// How many times the tokens that are billed each bound is, by kind of text. It writes the table of docs/bound.md:
//
//	go test ./usage -run HowLooseBoundsAre -v
func TestHowLooseBoundsAre(t *testing.T) {
	t.Parallel()
	p := price(t, "gpt-4o")
	tokenizer, _ := tokens.For("gpt-4o")
	counted := make(map[string]int64)
	count := func(text string) (int64, bool) { // once for each text
		n, ok := counted[text]
		if !ok {
			n, _ = tokenizer(text)
			counted[text] = n
		}
		return n, true
	}
	var table strings.Builder
	table.WriteString("| text | bytes a token | first look: bytes | second: known prefix | second: tokenizer | tokenizer, two messages only |\n|---|--:|--:|--:|--:|--:|\n")
	for _, kind := range slices.Sorted(maps.Keys(corpora)) {
		texts, body := conversation(corpora[kind])
		whole := body(len(texts))
		truth := rendered(count, texts)
		r, err := usage.ReadRequest(usage.Chat, whole)
		if err != nil {
			t.Fatal(err)
		}
		in, _, _ := usage.InputBound(p, r)
		o := outline(t, usage.Chat, string(whole))
		second := in.Total() - o.Tokenized(0, count)
		before := outline(t, usage.Chat, string(body(len(texts)-2))).Ends(1)[0]
		known, _, ok := o.Bound(p, func(id usage.PrefixID) (usage.Known, bool) {
			return usage.Known{Tokens: rendered(count, texts[:len(texts)-2]), Whole: true}, id == before
		})
		if !ok {
			t.Fatal("not known")
		}
		single := body(2)
		r, err = usage.ReadRequest(usage.Chat, single)
		if err != nil {
			t.Fatal(err)
		}
		in1, _, _ := usage.InputBound(p, r)
		short := in1.Total() - outline(t, usage.Chat, string(single)).Tokenized(0, count)
		times := func(bound, truth int64) float64 { return float64(bound) / float64(truth) }
		size := 0
		for _, text := range texts {
			size += len(text)
		}
		fmt.Fprintf(&table, "| %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", kind, float64(size)/float64(truth), times(in.Total(), truth), times(known, truth), times(second, truth), times(short, rendered(count, texts[:2])))
		if second < truth || known < truth || in.Total() < truth {
			t.Errorf("%s: %d tokens, bounds of %d, %d and %d", kind, truth, in.Total(), second, known)
		}
		if kind != "blanks" && (times(second, truth) > 1.4 || times(known, truth) > 1.4) {
			t.Errorf("%s: loose by %.2f and %.2f", kind, times(second, truth), times(known, truth))
		}
	}
	t.Log("\n" + table.String())
}
