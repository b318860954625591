package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// bill are sums of the truth by day and model.
type bill struct {
	day               time.Time
	model             string
	requests, in, out int64
}

func (w *world) bills(days int) (all [][]bill) {
	for i := range days {
		day := firstDay.AddDate(0, 0, i)
		sums := map[string]*bill{}
		for _, t := range w.truths {
			if !t.at.Truncate(24 * time.Hour).Equal(day) {
				continue
			}
			if sums[t.model] == nil {
				sums[t.model] = &bill{day: day, model: t.model}
			}
			b := sums[t.model]
			b.requests, b.in, b.out = b.requests+1, b.in+t.in, b.out+t.out
		}
		list := []bill{}
		for _, m := range slices.Sorted(maps.Keys(sums)) {
			list = append(list, *sums[m])
		}
		all = append(all, list)
	}
	return all
}

func decimal(tokens, price int64) string { return money.USD(tokens * price).String() }

// rendering writes exports of the truth, in a format.
type rendering struct {
	name  string
	whose string
	costs bool
	write func(days [][]bill) []byte
}

func pages(days [][]bill, bucket func(day time.Time) map[string]any, result func(b bill) []map[string]any, withPages bool) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	var data []map[string]any
	for i, list := range days {
		one := bucket(firstDay.AddDate(0, 0, i))
		results := []map[string]any{}
		for _, b := range list {
			results = append(results, result(b)...)
		}
		one["results"] = results
		data = append(data, one)
		if withPages && i < len(days)-1 {
			_ = enc.Encode(map[string]any{"object": "page", "data": data, "has_more": true, "next_page": "page-" + strconv.Itoa(i)})
			data = nil
		}
	}
	_ = enc.Encode(map[string]any{"object": "page", "data": data, "has_more": false, "next_page": nil})
	return out.Bytes()
}

func openAIBucket(day time.Time) map[string]any {
	return map[string]any{"object": "bucket", "start_time": day.Unix(), "end_time": day.AddDate(0, 0, 1).Unix()}
}

func anthropicBucket(day time.Time) map[string]any {
	return map[string]any{"starting_at": day.Format(time.RFC3339), "ending_at": day.AddDate(0, 0, 1).Format(time.RFC3339)}
}

func table(header string, days [][]bill, row func(b bill) []string, none func(day time.Time) string) []byte {
	lines := []string{header}
	for i, list := range days {
		for _, b := range list {
			lines = append(lines, row(b)...)
		}
		if len(list) == 0 && none != nil {
			lines = append(lines, none(firstDay.AddDate(0, 0, i)))
		}
	}
	return []byte("\ufeff" + strings.Join(lines, "\r\n") + "\r\n")
}

func openAISpan(day time.Time) string {
	end := day.AddDate(0, 0, 1)
	return fmt.Sprintf("%d,%d,%s,%s", day.Unix(), end.Unix(), day.Format("2006-01-02T15:04:05+00:00"), end.Format("2006-01-02T15:04:05+00:00"))
}

// display is how Anthropic's cost export names a model.
func display(model string) string {
	return map[string]string{"claude-haiku-4-5-20251001": "Claude Haiku 4.5", "claude-sonnet-4-5-20250929": "Claude Sonnet 4.5"}[model]
}

// long writes an amount with more digits than it has, as the API does.
func long(amount string) string {
	if !strings.Contains(amount, ".") {
		amount += "."
	}
	return amount + "0000000000000000000000000"
}

func cents(tokens, price int64) string {
	sum := money.SumOf(money.USD(tokens * price))
	return fmt.Sprintf("%d.%010d", sum.Dollars*100+sum.Pico/int64(money.Cent), sum.Pico%int64(money.Cent))
}

var renderings = []rendering{
	{"openai usage json", verify.OpenAI, false, func(days [][]bill) []byte {
		return pages(days, openAIBucket, func(b bill) []map[string]any {
			return []map[string]any{{
				"object": "organization.usage.completions.result", "input_tokens": b.in, "output_tokens": b.out, "input_cached_tokens": 0,
				"input_audio_tokens": 0, "output_audio_tokens": 0, "num_model_requests": b.requests, "project_id": nil, "user_id": nil, "api_key_id": nil,
				"model": b.model, "batch": nil, "service_tier": nil,
			}}
		}, true)
	}},
	{"openai costs json", verify.OpenAI, true, func(days [][]bill) []byte {
		return pages(days, openAIBucket, func(b bill) []map[string]any {
			item := func(kind, value string) map[string]any {
				return map[string]any{
					"object": "organization.costs.result", "amount": map[string]any{"value": long(value), "currency": "usd"},
					"line_item": b.model + ", " + kind, "project_id": nil, "organization_id": "org-1",
				}
			}
			return []map[string]any{item("input", decimal(b.in, priceIn)), item("cached input", "0"), item("output", decimal(b.out, priceOut))}
		}, false)
	}},
	{"openai usage csv", verify.OpenAI, false, func(days [][]bill) []byte {
		return table("start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,"+
			"input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_text_tokens,output_text_tokens,input_cached_text_tokens,"+
			"input_audio_tokens,input_cached_audio_tokens,output_audio_tokens", days, func(b bill) []string {
			return []string{fmt.Sprintf("%s,proj_1,%d.0,,key_1,%s,FALSE,default,%d.0,%d.0,0.0,%[4]d.0,%[4]d.0,%[5]d.0,0.0,0.0,0.0,0.0", openAISpan(b.day), b.requests, b.model, b.in, b.out)}
		}, func(day time.Time) string { return openAISpan(day) + ",,,,,,,,,,,,,,,,," })
	}},
	{"openai costs csv", verify.OpenAI, true, func(days [][]bill) []byte {
		return table("start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,organization_name", days,
			func(b bill) []string {
				item := func(kind, value string) string {
					return fmt.Sprintf(`%s,%s,usd,"%s, %s",proj_1,org-1,Personal`, openAISpan(b.day), long(value), b.model, kind)
				}
				return []string{item("input", decimal(b.in, priceIn)), item("output", decimal(b.out, priceOut))}
			}, func(day time.Time) string { return openAISpan(day) + ",,,,,," })
	}},
	{"anthropic usage json", verify.Anthropic, false, func(days [][]bill) []byte {
		return pages(days, anthropicBucket, func(b bill) []map[string]any {
			return []map[string]any{{
				"uncached_input_tokens": b.in, "cache_creation": map[string]any{"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
				"cache_read_input_tokens": 0, "output_tokens": b.out, "server_tool_use": map[string]any{"web_search_requests": 0},
				"api_key_id": nil, "workspace_id": nil, "model": b.model, "service_tier": nil, "context_window": nil,
			}}
		}, true)
	}},
	{"anthropic costs json", verify.Anthropic, true, func(days [][]bill) []byte {
		return pages(days, anthropicBucket, func(b bill) []map[string]any {
			item := func(kind, amount string) map[string]any {
				return map[string]any{
					"currency": "USD", "amount": amount, "workspace_id": nil, "description": "Claude Usage - " + kind, "cost_type": "tokens",
					"context_window": "0-200k", "model": b.model, "service_tier": "standard", "token_type": kind,
				}
			}
			return []map[string]any{item("uncached_input_tokens", cents(b.in, priceIn)), item("output_tokens", cents(b.out, priceOut))}
		}, false)
	}},
	{"anthropic usage csv", verify.Anthropic, false, func(days [][]bill) []byte {
		return table("usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"+
			"usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed", days, func(b bill) []string {
			return []string{fmt.Sprintf("%s,%s,nightly,Default,standard,≤ 200k,%d,0,0,0,%d,0,global,", b.day.Format(time.DateOnly), b.model, b.in, b.out)}
		}, nil)
	}},
	{"anthropic costs csv", verify.Anthropic, true, func(days [][]bill) []byte {
		return table("usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed", days,
			func(b bill) []string {
				item := func(kind string, n, price int64) string {
					usd := fmt.Sprintf("%.2f", float64(n*price)/1e12) // as the Console rounds
					return fmt.Sprintf("%s,%s,Default,nightly,message,≤ 200k,%s,%s,%s,token,global,", b.day.Format(time.DateOnly), display(b.model), kind, usd, usd)
				}
				return []string{item("input_no_cache", b.in, priceIn), item("output", b.out, priceOut)}
			}, nil)
	}},
}

func render(name string, days [][]bill) []byte {
	for _, r := range renderings {
		if r.name == name {
			return r.write(days)
		}
	}
	panic(name)
}
