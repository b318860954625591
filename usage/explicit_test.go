package usage_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Where a row prices every kind of token in every tier and band, an answer costs each count times the price that is written there, and nothing else.
func TestEveryPriceIsTheOneWritten(t *testing.T) {
	t.Parallel()
	fields := []string{
		"input_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr",
		"input_cost_per_audio_token", "output_cost_per_token", "output_cost_per_reasoning_token", "output_cost_per_audio_token",
	}
	const in, read, short, long, heard, out, thought, said = 0, 1, 2, 3, 4, 5, 6, 7
	tiers := map[string]string{"": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"}
	rapid.Check(t, func(t *rapid.T) {
		over := rapid.SampledFrom([]int64{128, 200, 272}).Draw(t, "band")
		written, row := map[string]int64{}, []string{`"litellm_provider":"openai"`, `"mode":"chat"`}
		for _, band := range []string{"", fmt.Sprintf("_above_%dk_tokens", over)} {
			for _, tier := range []string{"", "batch", "flex", "priority"} {
				for i, field := range fields {
					pico := rapid.Int64Range(1_000, 9_999).Draw(t, "price")
					switch { // dearer where it has to be: a write than the input, priority than the ordinary tier
					case i == short || i == long:
						pico += 20_000
					case tier == "priority":
						pico += 10_000
					}
					if tier == "priority" && (i == short || i == long) {
						pico += 10_000
					}
					name := field + band + tiers[tier]
					written[name] = pico
					row = append(row, fmt.Sprintf(`"%s":%de-12`, name, pico))
				}
			}
		}
		table, err := pricing.Empty().WithFile(strings.NewReader(`{"m":{` + strings.Join(row, ",") + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		price, err := table.Lookup("", "m", now)
		if err != nil {
			t.Fatal(err)
		}
		var n [8]int64
		for i := range n {
			n[i] = rapid.Int64Range(0, 3000).Draw(t, fields[i])
		}
		n[in]++
		all := func() int64 { return n[in] + n[read] + n[short] + n[long] + n[heard] }
		if rapid.Bool().Draw(t, "near the band") {
			n[in] += over*1000 - all() + rapid.Int64Range(-1, 1).Draw(t, "by")
		}
		tier := rapid.SampledFrom([]string{"", "batch", "flex", "priority"}).Draw(t, "tier")
		u, err := usage.Parse(usage.Chat, fmt.Appendf(nil, `{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"service_tier":"%s","usage":{"prompt_tokens":%d,"completion_tokens":%d,
			"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":%d,"cache_write_tokens":%d,"cache_write_tokens_details":{"ttl_30m_tokens":%d,"ttl_12h_tokens":%d}},
			"completion_tokens_details":{"reasoning_tokens":%d,"audio_tokens":%d}}}`, tier, all(), n[out]+n[thought]+n[said], all()+n[out]+n[thought]+n[said],
			n[read], n[heard], n[short]+n[long], n[short], n[long], n[thought], n[said]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := usage.Cost(price, u)
		if err != nil {
			t.Fatal(err)
		}
		band := ""
		if all() > over*1000 {
			band = fmt.Sprintf("_above_%dk_tokens", over)
		}
		want := new(big.Int)
		for i, field := range fields {
			want.Add(want, new(big.Int).Mul(big.NewInt(n[i]), big.NewInt(written[field+band+tiers[tier]])))
		}
		if want.Cmp(big.NewInt(int64(got))) != 0 {
			t.Fatalf("%d pico-dollars, want %s: %+v", got, want, u)
		}
	})
}
