//go:build unix

package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/simulate"
)

// models are what the provider has and what it bills, in dollars per million tokens and in pico-dollars per token.
var models = []struct {
	name, provider, perMillionIn, perMillionOut string
	in, out                                     int64
}{
	{"sim-a", "openai", "0.15", "0.60", 150_000, 600_000},
	{"sim-b", "openai", "2.50", "10", 2_500_000, 10_000_000},
	{"sim-c", "anthropic", "3.000001", "15.000003", 3_000_001, 15_000_003},
}

// behaviour is how a provider behaves.
type behaviour struct {
	latency, jitter time.Duration
	event           time.Duration // between the events of a stream
	fail            float64
	seed            int
	log             bool
}

// provider is a simulated provider in this process.
type provider struct {
	tb testing.TB
	*simulate.Running
}

func startProvider(tb testing.TB, b behaviour) *provider {
	tb.Helper()
	var o simulate.Options
	o.EventDelay = b.event
	o.Latency, o.LatencyJitter, o.Fail, o.Detail, o.Headers = b.latency, b.jitter, b.fail, b.log, true
	for range b.seed {
		o.Seed++
	}
	o.Prices = make(map[string]simulate.Price)
	for _, m := range models {
		o.Prices[m.name] = simulate.Price{Input: m.in, Output: m.out}
	}
	running, err := simulate.Start("127.0.0.1:0", o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = running.Close() })
	return &provider{tb, running}
}

func (p *provider) url() string { return p.URL() }

// bill is what the provider charged, in pico-dollars.
func (p *provider) bill() *big.Int {
	p.tb.Helper()
	n, ok := new(big.Int).SetString(p.Stats().CostPico, 10)
	if !ok {
		p.tb.Fatalf("the provider's bill is %q", p.Stats().CostPico)
	}
	return n
}

func (p *provider) requests() int64 { return p.Stats().Requests }

// repeats counts the requests whose body had been there before.
func (p *provider) repeats() (n int64) {
	seen := make(map[string]bool)
	for _, l := range p.Stats().Log {
		if seen[l.Hash] {
			n++
		}
		seen[l.Hash] = true
	}
	return n
}

// arrivals returns when requests came.
func (p *provider) arrivals() (at []time.Time) {
	for _, l := range p.Stats().Log {
		at = append(at, l.At)
	}
	return at
}

// script tells the provider what to do with the next requests.
func (p *provider) script(steps ...map[string]any) { p.control("script", steps) }

// change changes its options.
func (p *provider) change(options map[string]any) { p.control("options", options) }

func (p *provider) control(what string, v any) {
	p.tb.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		p.tb.Fatal(err)
	}
	resp, err := http.Post(p.url()+"/sim/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		p.tb.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		p.tb.Fatalf("%s: %s", what, text)
	}
}
