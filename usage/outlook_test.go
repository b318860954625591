package usage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// A price by hand: 2 and 8 dollars per million, half of that in batches, and dearer above 1,000 tokens of input.
func outlookPrice() *pricing.Price {
	per := func(in, out, read string) pricing.Rates {
		million := func(s string) money.USD { return money.MustParse(s) / 1_000_000 }
		return pricing.Rates{}.With(pricing.Input, million(in)).With(pricing.Output, million(out)).With(pricing.CacheRead, million(read))
	}
	return &pricing.Price{
		Provider: "openai", Name: "by-hand", MaxOutput: 1000, ContextWindow: 10_000, Rates: per("2", "8", "0.5"),
		Tiers: map[string]pricing.Rates{pricing.Batch: per("1", "4", "0.25")},
		Bands: []pricing.Band{{Over: 1000, Rates: per("4", "16", "1")}},
	}
}

func TestForesee(t *testing.T) {
	t.Parallel()
	usd := money.MustParse
	chat := usage.Request{API: usage.Chat, BodyBytes: 100, Messages: 1, Choices: 1, Rounds: 1}
	for name, c := range map[string]struct {
		change func(*usage.Request)
		cap    int64
		putIn  bool
		want   usage.Outlook
	}{
		// At most 100 + 64 + 8 tokens in; expected 25 in and 50 out; at least one in, cached.
		"a cap of its own": {nil, 100, false, usage.Outlook{
			Most: usd("0.001144"), MostIn: 172, MostOut: 100, Expected: usd("0.00045"), ExpectedIn: 25, ExpectedOut: 50, Least: usd("0.0000005"), LeastIn: 1,
			Batch: usd("0.000225"), Flex: usd("0.00045"),
		}},
		"a cap put in": {nil, 100, true, usage.Outlook{
			Most: usd("0.001144"), MostIn: 172, MostOut: 100, Expected: usd("0.000154"), ExpectedIn: 25, ExpectedOut: 13, Least: usd("0.0000005"), LeastIn: 1,
			Batch: usd("0.000077"), Flex: usd("0.000154"),
		}},
		// It may be in the band, and is not expected to be.
		"long": {func(r *usage.Request) { r.BodyBytes = 2000 }, 100, false, usage.Outlook{
			Most: usd("0.009888"), MostIn: 2072, MostOut: 100, Expected: usd("0.0014"), ExpectedIn: 500, ExpectedOut: 50, Least: usd("0.0000005"), LeastIn: 1,
			Batch: usd("0.0007"), Flex: usd("0.0014"),
		}},
		"in batches already": {func(r *usage.Request) { r.Tier = "batch" }, 100, false, usage.Outlook{
			Most: usd("0.001144"), MostIn: 172, MostOut: 100, Expected: usd("0.000225"), ExpectedIn: 25, ExpectedOut: 50, Least: usd("0.00000025"), LeastIn: 1,
			Batch: usd("0.000225"), Flex: usd("0.000225"),
		}},
		"three choices": {func(r *usage.Request) { r.Choices = 3 }, 10, false, usage.Outlook{
			Most: usd("0.000584"), MostIn: 172, MostOut: 30, Expected: usd("0.00017"), ExpectedIn: 25, ExpectedOut: 15, Least: usd("0.0000005"), LeastIn: 1,
			Batch: usd("0.000085"), Flex: usd("0.00017"),
		}},
		"input elsewhere": {func(r *usage.Request) { r.Unbounded = []string{"a file"} }, 0, false, usage.Outlook{
			Most: usd("0.04"), MostIn: 10_000, MostOut: 0, Expected: usd("0.0161"), ExpectedIn: 4025, Least: usd("0.0000005"), LeastIn: 1,
			Batch: usd("0.00805"), Flex: usd("0.0161"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := chat
			if c.change != nil {
				c.change(&r)
			}
			got, err := usage.NewForeseer(outlookPrice(), usage.Expectation{}).Foresee(&r, c.cap, c.putIn)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// At every price there is, the most of an outlook is the bound, and what is expected lies between least and most.
func TestOutlookIsInOrder(t *testing.T) {
	t.Parallel()
	models := []string{"gpt-4o-mini", "gpt-5", "gpt-4o-audio-preview", "gpt-4o", "o3", "text-embedding-3-small"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(models).Draw(t, "model")
		price, err := pricing.Embedded().Lookup("openai", name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := usage.Request{
			API: usage.Chat, BodyBytes: rapid.Int64Range(20, 2_000_000).Draw(t, "bytes"), Messages: rapid.Int64Range(0, 50).Draw(t, "messages"), Rounds: 1,
			Choices: rapid.Int64Range(1, 4).Draw(t, "choices"), Images: rapid.Int64Range(0, 3).Draw(t, "images"),
			Tier: rapid.SampledFrom([]string{"", "flex", "batch", "auto", "priority"}).Draw(t, "tier"), Fast: rapid.Bool().Draw(t, "fast"),
		}
		outputCap := rapid.Int64Range(0, 100_000).Draw(t, "cap")
		o, err := usage.NewForeseer(&price, usage.Expectation{}).Foresee(&r, outputCap, rapid.Bool().Draw(t, "put in"))
		most, _, boundErr := usage.Bound(price, r, outputCap)
		if fmt.Sprint(err) != fmt.Sprint(boundErr) {
			t.Fatalf("%v, and the bound %v", err, boundErr)
		}
		if o.Most != most || o.Least > o.Expected || o.Expected > o.Most || o.Batch > o.Expected || o.Flex > o.Expected || o.ExpectedIn > o.MostIn || o.ExpectedOut > o.MostOut {
			t.Fatalf("%+v, and the bound %s", o, most)
		}
	})
}

// A reader used again reads as one that is new.
func TestRequestReaderAgrees(t *testing.T) {
	t.Parallel()
	var again usage.RequestReader
	bodies := []string{
		`{"model":"a","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, `{"model":"a","model":"b"}`, `{"model":`, `[]`, `{"model":"c","max_tokens":null}`, ``, `{}`,
		`{"model":"a"} x`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"r":1}`,
	}
	for _, api := range []usage.API{usage.Chat, usage.Messages, usage.Gemini, "nonsense"} {
		for _, body := range append(bodies, bodies...) {
			want, wantErr := usage.ReadRequest(api, []byte(body))
			got, err := again.Read(api, []byte(body))
			if diff := cmp.Diff(want, got); diff != "" || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("%s %s: %v, want %v\n%s", api, body, err, wantErr, diff)
			}
		}
	}
}
