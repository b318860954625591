package aureatest

import (
	"context"
	"testing"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// Made-up models, which both providers serve.
const (
	// Model costs 1 dollar per million tokens of input and 2 of output, writes at most 4,096 tokens and reads 100,000.
	Model = "test-model"
	// FreeModel costs nothing.
	FreeModel = "test-free"
)

// Prices returns the built-in prices, and those of the made-up models.
func Prices() *pricing.Table {
	one, two := money.MustParse("1"), money.MustParse("2")
	return pricing.Embedded().WithOverrides(map[string]pricing.Override{
		Model:     {Input: &one, Output: &two, MaxOutput: 4096, ContextWindow: 100_000},
		FreeModel: {Free: true},
	})
}

// Orchestrator is an [aurea.Orchestrator] for one test. Give the program under test its embedded one.
type Orchestrator struct {
	*aurea.Orchestrator
	// Provider is behind both of its providers, "openai" and "anthropic".
	Provider *Provider
	// Store keeps the books.
	Store store.Store

	tracker *budget.Tracker
}

// New returns an orchestrator whose books are in memory and whose calls go to a fake provider. It has no limits, and the defaults otherwise, but for retries, which begin
// after a millisecond. Changes to the configuration are applied in order. It is closed when the test ends; tb.Cleanup does that, so inside a synctest bubble it must
// be the bubble's tb.
func New(tb testing.TB, change ...func(*aurea.Config)) *Orchestrator {
	tb.Helper()
	p := newProvider(tb)
	cfg := aurea.Config{
		Prices: Prices(),
		Retry:  &retry.Policy{MaxRetries: 3, BaseDelay: time.Millisecond, MaxDelay: time.Minute},
		Providers: []aurea.Provider{
			openai.New(openai.Config{Name: "openai", BaseURL: baseURL + "/v1", Keys: []string{"test"}, Client: p.Client()}),
			anthropic.New(anthropic.Config{Name: "anthropic", BaseURL: baseURL, Keys: []string{"test"}, Client: p.Client()}),
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	if cfg.Store == nil {
		cfg.Store = memory.New(memory.Options{})
		tb.Cleanup(func() { check(tb, cfg.Store.Close()) })
	}
	if cfg.Tracker == nil {
		var err error
		if cfg.Tracker, err = budget.Open(context.Background(), cfg.Store, budget.Options{MaxCall: cfg.Timeouts.Request}); err != nil {
			tb.Fatalf("aureatest: %v", err)
		}
		tb.Cleanup(func() { check(tb, cfg.Tracker.Close(context.Background())) })
	}
	orch, err := aurea.New(cfg)
	if err != nil {
		tb.Fatalf("aureatest: %v", err)
	}
	tb.Cleanup(func() { check(tb, orch.Close()) })
	return &Orchestrator{Orchestrator: orch, Provider: p, Store: cfg.Store, tracker: cfg.Tracker}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Errorf("aureatest: %v", err)
	}
}

// Booked returns a row for each attempt at a provider that has ended, and each run of a function given to [aurea.Execute], in the order in which they ended: whose it
// was, how it ended, and what it cost. It fails the test if the books cannot be read.
func (o *Orchestrator) Booked(tb testing.TB, job *aurea.Job) []store.Call {
	tb.Helper()
	ctx := context.Background()
	if err := o.tracker.Flush(ctx); err != nil {
		tb.Fatalf("aureatest: %v", err)
	}
	var all []store.Call
	for after := int64(0); ; {
		calls, next, err := o.Store.Calls(ctx, job.ID, after, 1000)
		if err != nil {
			tb.Fatalf("aureatest: %v", err)
		}
		all, after = append(all, calls...), next
		if next == 0 {
			return all
		}
	}
}
