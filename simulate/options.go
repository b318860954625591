package simulate

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Options say how the provider behaves. The zero value answers at once, has no limits and never fails.
type Options struct {
	// RPM and TPM limit requests and tokens per model and minute, InputTPM and OutputTPM tokens by direction. 0: no limit.
	RPM, TPM, InputTPM, OutputTPM int64
	// Concurrency limits requests under way. 0: no limit.
	Concurrency int64
	// Algo is how limits are judged: "sliding" (default), "bucket" or "fixed".
	Algo string
	// BucketFraction is the bucket's size as a share of a minute's limit. Default: 1.
	BucketFraction float64
	// Window is judged by sliding and fixed limits. Default: a minute. A limit per minute becomes its share.
	Window time.Duration
	// Count is what a request counts of tokens when it arrives: "max" of input and output cap (default), "sum" of both, "input", or "actual" usage.
	Count string
	// Latency is the time to answer, LatencyJitter is added at most.
	Latency, LatencyJitter time.Duration
	// Fail is the share of requests that fail with a 429, a 503 or a broken connection.
	Fail float64
	// Seed makes failures and jitter repeatable.
	Seed uint64
	// Headers adds rate-limit headers to answers.
	Headers bool
	// Detail records every request, for ?detail=1. Memory grows with it.
	Detail bool
	// Prices by model, in pico-dollars per token. Others cost DefaultPrice.
	Prices       map[string]Price
	DefaultPrice Price
}

// Price is what a token costs in pico-dollars.
type Price struct{ Input, Output int64 }

func (o Options) withDefaults() Options {
	if o.Algo == "" {
		o.Algo = "sliding"
	}
	if o.BucketFraction == 0 {
		o.BucketFraction = 1
	}
	if o.Window == 0 {
		o.Window = time.Minute
	}
	if o.Count == "" {
		o.Count = "max"
	}
	if o.DefaultPrice == (Price{}) {
		o.DefaultPrice = Price{Input: 150_000, Output: 600_000}
	}
	return o
}

// optionsJSON is what POST /sim/options takes; fields that are left out stay.
type optionsJSON struct {
	RPM, TPM             *int64
	Latency, Jitter      *string
	Fail, BucketFraction *float64
	Algo                 *string
	Headers              *bool
}

func (o *Options) change(body []byte) error {
	var c optionsJSON
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return err
	}
	for text, to := range map[*string]*time.Duration{c.Latency: &o.Latency, c.Jitter: &o.LatencyJitter} {
		if text == nil {
			continue
		}
		d, err := time.ParseDuration(*text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration", *text)
		}
		*to = d
	}
	set(&o.RPM, c.RPM)
	set(&o.TPM, c.TPM)
	set(&o.Fail, c.Fail)
	set(&o.BucketFraction, c.BucketFraction)
	set(&o.Algo, c.Algo)
	set(&o.Headers, c.Headers)
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// dollars writes pico-dollars as decimal text.
func dollars(pico *big.Int) string {
	q, r := new(big.Int).QuoRem(pico, big.NewInt(1_000_000_000_000), new(big.Int))
	text := strings.TrimRight(fmt.Sprintf("%s.%012d", q, r), "0")
	return strings.TrimSuffix(text, ".")
}

// step is one scripted behaviour.
type step struct {
	Status   int               `json:"status,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Body     string            `json:"body,omitempty"`
	Delay    string            `json:"delay,omitempty"`
	Reset    bool              `json:"reset,omitempty"`
	Truncate int               `json:"truncate,omitempty"`
	Stall    string            `json:"stall,omitempty"`
	Garbage  bool              `json:"garbage,omitempty"`
	NoUsage  bool              `json:"no_usage,omitempty"`
	OK       bool              `json:"ok,omitempty"`
	Model    string            `json:"model,omitempty"`
	Match    string            `json:"match,omitempty"`
}
