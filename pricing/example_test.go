package pricing_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

func ExampleTable_Lookup() {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	p, err := pricing.Embedded().Lookup("openai", "gpt-4o-mini", at)
	if err != nil {
		panic(err)
	}
	in, _ := p.For(pricing.Standard, 1000).Get(pricing.Input)
	fmt.Printf("%s: %s dollars per token of input, at most %d tokens of output\n", p.Name, in, p.MaxOutput)
	// Output: gpt-4o-mini: 0.00000015 dollars per token of input, at most 16384 tokens of output
}

func ExampleUnknownPriceError() {
	_, err := pricing.Embedded().Lookup("local", "qwen3", time.Now())
	if unknown, ok := errors.AsType[*pricing.UnknownPriceError](err); ok {
		fmt.Println(unknown)
		fmt.Println(unknown.Hint())
	}
	// Output:
	// the price of model "qwen3" at provider "local" is unknown
	// set its price in aurea.yaml, in US dollars per million tokens:
	// prices:
	//   overrides:
	//     "qwen3": {input: "0.00", output: "0.00"}   # or {free: true} if it costs nothing
}

func ExampleTable_WithOverrides() {
	in, out := money.MustParse("0.25"), money.MustParse("1.25")
	table := pricing.Embedded().WithOverrides(map[string]pricing.Override{"my-model": {Input: &in, Output: &out}})
	p, err := table.Lookup("local", "my-model", time.Now())
	fmt.Println(p.Origin, err)
	// Output: override <nil>
}
