package usage_test

import (
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Before a call its bound, after it its cost.
func Example() {
	price, err := pricing.Embedded().Lookup("openai", "gpt-4o-mini", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		panic(err)
	}
	body := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Why is the sky blue?"}],"max_completion_tokens":200}`)
	req, err := usage.ReadRequest(usage.Chat, body)
	if err != nil {
		panic(err)
	}
	most, _, err := usage.Bound(price, req, req.OutputCap)
	if err != nil {
		panic(err)
	}
	answer := []byte(`{"choices":[],"usage":{"prompt_tokens":13,"completion_tokens":120,"total_tokens":133}}`)
	used, err := usage.Parse(usage.Chat, answer)
	if err != nil {
		panic(err)
	}
	cost, err := usage.Cost(price, used)
	fmt.Printf("at most %s, in the end %s, %v\n", most, cost, err)
	// Output: at most 0.00014775, in the end 0.00007395, <nil>
}

func ExampleReadRequest() {
	_, err := usage.ReadRequest(usage.Chat, []byte(`{"model":"gpt-4o","max_tokens":1,"max_tokens":100000}`))
	fmt.Println(err)
	// Output: the body has the name "max_tokens" twice in one object
}

func ExampleInjectCap() {
	body, err := usage.InjectCap(usage.Chat, "max_completion_tokens", []byte(`{"model":"gpt-4o"}`), 4096)
	fmt.Println(string(body), err)
	// Output: {"model":"gpt-4o","max_completion_tokens":4096} <nil>
}

// An answer tells itself whether it was streamed.
func ExampleParseAny() {
	whole := `{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"thoughtsTokenCount":20,"candidatesTokenCount":5,"totalTokenCount":33}}`
	for _, answer := range []string{whole, "[" + whole + "]", "data: " + whole + "\n\n"} {
		u, err := usage.ParseAny(usage.Gemini, []byte(answer))
		fmt.Println(u.Input, u.Output, u.Reasoning, u.Complete, err)
	}
	// Output:
	// 8 25 20 true <nil>
	// 8 25 20 true <nil>
	// 8 25 20 true <nil>
}

// What a provider says that it charged is booked, and our own figure is there beside it.
func ExampleOwn() {
	price, err := pricing.Embedded().Lookup("xai", "grok-4", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	if err != nil {
		panic(err)
	}
	answer := []byte(`{"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"cost_in_usd_ticks":44900000}}`)
	used, err := usage.Parse(usage.Chat, answer)
	if err != nil {
		panic(err)
	}
	booked, err := usage.Cost(price, used)
	fmt.Println(booked, err)
	own, err := usage.Own(price, used)
	fmt.Println(own, err)
	// Output:
	// 0.00449 <nil>
	// 0.0045 <nil>
}
