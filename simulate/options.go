package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options say how the provider behaves. The zero value answers at once, has no limits and never fails.
type Options struct {
	// RPM limits requests per minute and model, TPM tokens (input and output together, as Count has it), InputTPM and OutputTPM tokens of either
	// direction. Each model is judged by itself. 0 is no limit.
	RPM, TPM, InputTPM, OutputTPM int64
	// PerModel has the limits of models that differ, all four together.
	PerModel map[string]Limits
	// Concurrency is how many requests may be under way, over all models. Default: no limit.
	Concurrency int64
	// Algo is how limits are judged: "sliding" (default), a log of the last Window; "bucket", which refills all the time; or "fixed", windows
	// that begin at whole multiples of Window on the clock.
	Algo string
	// BucketFraction is a bucket's size as a share of a minute's limit. A bucket is full at first and holds at least 1. Default: 1.
	BucketFraction float64
	// Window is what sliding and fixed limits are judged on; a limit per minute becomes its share, rounded down, at least 1. Default: a minute. Azure
	// OpenAI judges requests on 1 s or 10 s.
	Window time.Duration
	// TokenWindow is the same for tokens. Default: Window.
	TokenWindow time.Duration
	// Count is what a request counts of tokens on arrival: "max" of its input and its output cap (default, as OpenAI documents), "sum" of
	// both (as Azure), its "input" only, or what it will "actual"ly use. A missing cap counts nothing. OutputTPM counts the cap, or with "actual" and where there is
	// none, the output.
	Count string
	// Refund gives back, when an answer is finished, what it counted and did not use.
	Refund bool
	// CountRefused lets requests count that a limit refused, as OpenAI documents.
	CountRefused bool
	// Headers tells of limits in the headers of all answers, and adds Retry-After to refusals. Without it a refusal is a bare 429.
	Headers bool

	// Latency is the time to an answer; up to LatencyJitter is added. EventDelay is the time between the events of a stream.
	Latency, LatencyJitter, EventDelay time.Duration
	// Fail is the share of requests that fail: three in eight with a 429 that says Retry-After, three with a 503, one with a reset
	// connection before the answer and one within it.
	Fail float64
	// Seed changes what is pseudo-random: texts, lengths, jitter, failures.
	Seed int64
	// StopOnHangup ends the generation when the client leaves, and charges only what was streamed by then. Default: the answer
	// is generated to its end, and charged.
	StopOnHangup bool
	// Output is how long answers are, in tokens, where their cap allows it. Default: by the body, mostly 12 to 130.
	Output int64
	// Caching reports a part of long inputs as read from, and with Anthropic's cache_control also written to, the prompt cache.
	Caching bool

	// Prices by model. Others cost their list price if the simulator knows them, else DefaultPrice; that is by default 0.15 and 0.60 dollars
	// per million tokens.
	Prices       map[string]Price
	DefaultPrice Price
	// Models, if set, are those that exist. Any other is answered 404.
	Models []string
	// Keys, if set, are the credentials accepted. Default: any.
	Keys []string
	// Detail records every request for Stats.Log. Memory grows with it.
	Detail bool
}

// Limits are per minute. 0 is no limit.
type Limits struct {
	RPM       int64 `json:"rpm"`        // requests
	TPM       int64 `json:"tpm"`        // tokens, input and output together as Options.Count has it
	InputTPM  int64 `json:"input_tpm"`  // tokens of input
	OutputTPM int64 `json:"output_tpm"` // tokens of output
}

const (
	maxLimit = 1_000_000_000_000
	maxDelay = 24 * time.Hour
)

// Validate says what is impossible in the options.
func (o Options) Validate() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(oneOf(o.Algo, "", algoSliding, algoBucket, algoFixed), "algo %q: want sliding, bucket or fixed", o.Algo)
	want(oneOf(o.Count, "", countMax, countSum, countInput, countActual), "count %q: want max, sum, input or actual", o.Count)
	want(o.BucketFraction >= 0 && o.BucketFraction <= 1000, "bucket_fraction %v: want a share of a minute's limit, such as 0.02", o.BucketFraction)
	want(o.Fail >= 0 && o.Fail <= 1, "fail %v: want a share from 0 to 1", o.Fail)
	want(o.Concurrency >= 0, "concurrency %d: want 0 or more", o.Concurrency)
	want(o.Output >= 0 && o.Output <= longest, "output %d: want 0 to %d tokens", o.Output, int64(longest))
	for name, d := range map[string]time.Duration{
		"latency": o.Latency, "latency_jitter": o.LatencyJitter, "event_delay": o.EventDelay, "window": o.Window, "token_window": o.TokenWindow,
	} {
		want(d >= 0 && d <= maxDelay, "%s %v: want 0 to 24h", name, d)
	}
	limits := func(of string, l Limits) {
		for _, n := range [...]int64{l.RPM, l.TPM, l.InputTPM, l.OutputTPM} {
			want(n >= 0 && n <= maxLimit, "limit %d%s: want 0 to %d per minute", n, of, int64(maxLimit))
		}
	}
	limits("", Limits{o.RPM, o.TPM, o.InputTPM, o.OutputTPM})
	for name, l := range o.PerModel {
		limits(" of "+name, l)
	}
	price := func(of string, p Price) {
		for _, n := range [...]int64{p.Input, p.Output, p.CacheRead, p.CacheWrite} {
			want(n >= 0 && n <= maxPrice, "price %d of %s: want 0 to %d pico-dollars per token", n, of, int64(maxPrice))
		}
	}
	price("other models", o.DefaultPrice)
	for name, p := range o.Prices {
		price(name, p)
	}
	return errors.Join(errs...)
}

func oneOf(s string, list ...string) bool { return slices.Contains(list, s) }

func (o Options) withDefaults() Options {
	if o.Algo == "" {
		o.Algo = algoSliding
	}
	if o.Count == "" {
		o.Count = countMax
	}
	if o.BucketFraction == 0 {
		o.BucketFraction = 1
	}
	if o.Window == 0 {
		o.Window = time.Minute
	}
	if o.TokenWindow == 0 {
		o.TokenWindow = o.Window
	}
	if o.DefaultPrice == (Price{}) {
		o.DefaultPrice = Price{Input: 150_000, Output: 600_000}
	}
	return o
}

func (o *Options) limits(model string) Limits {
	if l, ok := o.PerModel[model]; ok {
		return l
	}
	return Limits{o.RPM, o.TPM, o.InputTPM, o.OutputTPM}
}

func (o *Options) price(model string) Price {
	if p, ok := o.Prices[model]; ok {
		return p
	}
	if p, ok := listPrice(model); ok {
		return p
	}
	return o.DefaultPrice
}

// optionsJSON is how POST and GET /sim/options write Options: durations as text, prices per million tokens.
type optionsJSON struct {
	Limits
	PerModel       map[string]Limits    `json:"per_model"`
	Concurrency    int64                `json:"concurrency"`
	Algo           string               `json:"algo"`
	BucketFraction float64              `json:"bucket_fraction"`
	Window         duration             `json:"window"`
	TokenWindow    duration             `json:"token_window"`
	Count          string               `json:"count"`
	Refund         bool                 `json:"refund"`
	CountRefused   bool                 `json:"count_refused"`
	Headers        bool                 `json:"headers"`
	Latency        duration             `json:"latency"`
	LatencyJitter  duration             `json:"latency_jitter"`
	EventDelay     duration             `json:"event_delay"`
	Fail           float64              `json:"fail"`
	Seed           int64                `json:"seed"`
	StopOnHangup   bool                 `json:"stop_on_hangup"`
	Output         int64                `json:"output"`
	Caching        bool                 `json:"caching"`
	Prices         map[string]priceJSON `json:"prices"`
	DefaultPrice   priceJSON            `json:"default_price"`
	Models         []string             `json:"models"`
	Detail         bool                 `json:"detail"`
}

// MarshalJSON leaves the keys out.
func (o Options) MarshalJSON() ([]byte, error) {
	w := optionsJSON{
		Limits{o.RPM, o.TPM, o.InputTPM, o.OutputTPM},
		o.PerModel, o.Concurrency, o.Algo, o.BucketFraction, duration(o.Window), duration(o.TokenWindow), o.Count, o.Refund, o.CountRefused,
		o.Headers, duration(o.Latency), duration(o.LatencyJitter), duration(o.EventDelay), o.Fail, o.Seed, o.StopOnHangup, o.Output, o.Caching, nil,
		o.DefaultPrice.wire(), o.Models, o.Detail,
	}
	if o.Prices != nil {
		w.Prices = make(map[string]priceJSON, len(o.Prices))
	}
	for name, p := range o.Prices {
		w.Prices[name] = p.wire()
	}
	return json.Marshal(w)
}

// UnmarshalJSON changes the options that the text names and leaves the others as they are. A map given replaces the whole map.
// An unknown name is an error.
func (o *Options) UnmarshalJSON(data []byte) error {
	was, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	var w, given optionsJSON
	if err := json.Unmarshal(was, &w); err != nil {
		return err
	}
	if err := strict(data, &given); err != nil {
		return err
	}
	if given.PerModel != nil {
		w.PerModel = nil
	}
	if given.Prices != nil {
		w.Prices = nil
	}
	if err := strict(data, &w); err != nil {
		return err
	}
	next := Options{
		w.RPM, w.TPM, w.InputTPM, w.OutputTPM, w.PerModel, w.Concurrency, w.Algo, w.BucketFraction, time.Duration(w.Window), time.Duration(w.TokenWindow), w.Count, w.Refund,
		w.CountRefused, w.Headers, time.Duration(w.Latency), time.Duration(w.LatencyJitter), time.Duration(w.EventDelay), w.Fail, w.Seed,
		w.StopOnHangup, w.Output, w.Caching, nil,
		Price{},
		w.Models, o.Keys, w.Detail,
	}
	if w.Prices != nil {
		next.Prices = make(map[string]Price, len(w.Prices))
	}
	for name, p := range w.Prices {
		if next.Prices[name], err = p.price(); err != nil {
			return fmt.Errorf("prices of %s: %w", name, err)
		}
	}
	if next.DefaultPrice, err = w.DefaultPrice.price(); err != nil {
		return err
	}
	if err := next.Validate(); err != nil {
		return err
	}
	*o = next
	return nil
}

// strict decodes one JSON value and refuses unknown names.
func strict(data []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return errors.New("more text after the JSON value")
	}
	return nil
}

// duration is a time.Duration written as text, such as "200ms".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 || v > maxDelay {
		return fmt.Errorf("%q is not a duration from 0 to 24h, such as \"200ms\"", b)
	}
	*d = duration(v)
	return nil
}
