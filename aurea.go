package aurea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Config is what an [Orchestrator] is made of. The zero value is good: the books are kept in memory, prices are the built-in ones, nothing is limited but
// money, and only calls that the program makes itself, through [Execute], can go anywhere.
type Config struct {
	// Store keeps jobs and books. The caller closes it, after the Orchestrator. Default: one in memory, gone with the process.
	Store store.Store
	// Tracker is this process's hand on the money in the same store; whoever gives one closes it, between the Orchestrator and the Store. Default:
	// one that the Orchestrator opens and closes.
	Tracker *budget.Tracker
	// Providers are those that [Orchestrator.Do] and [Orchestrator.Stream] send calls to. Their names must differ.
	Providers []Provider
	// Unusable says, by name of a provider, why no call can go to it; such calls are refused with that text.
	Unusable map[string]string
	// Router says where a model goes. Default: as PROVIDER/NAME says, else to the provider who sells it under that name, else to the only one of the format.
	Router *policy.Router
	// Rules say which models may be called. Default: all.
	Rules policy.Rules
	// Prices by model. A model without a price is refused. Default: [pricing.Embedded].
	Prices *pricing.Table
	// Limits returns the limits and the counting profile of a provider's model; settings is [policy.Target.Settings]. Default: no limits.
	Limits func(provider, model, settings string) (ratelimit.Limits, ratelimit.Profile)
	// MaxOutput returns the operator's own maximum output of a model in tokens, 0 where he gave none. Default: none.
	MaxOutput func(settings string) int64
	// CapField returns the name of the output cap in a chat completion for a provider. Default: max_completion_tokens for a
	// provider called openai, else max_tokens.
	CapField func(provider string) string
	// Caps are the rules for requests without an output cap; zero values are replaced by the defaults of [usage.DefaultCaps].
	Caps usage.CapRule
	// RefuseUnbounded refuses requests whose input nobody can bound (files by URL, stored conversations) instead of holding the model's
	// whole context.
	RefuseUnbounded bool
	// ProvenBound bounds inputs by their bytes only, and takes no second look at those that do not fit the budget.
	ProvenBound bool
	// Tokenizer returns a function that counts the tokens of a text as a model of OpenAI's reads it, false where it knows none for the model; the function returns false
	// where it cannot count. It is used for the second look, on pieces of at most 2 KB and for two seconds at most per call, from several goroutines. Default: none;
	// package tokens has one.
	Tokenizer func(model string) (count func(text string) (tokens int64, ok bool), ok bool)
	// Retry is the schedule of retries. Default: 3 retries, from 1 s to 60 s. A policy without a MaxDelay runs from 1 s to 60 s; one without MaxRetries
	// retries nothing.
	Retry *retry.Policy
	// RetryRatio and RetryBurst bound the retries per provider: each first attempt adds Ratio, each retry takes 1, at
	// most Burst are saved up. Default: 0.1 and 1000.
	RetryRatio, RetryBurst float64
	// Breaker is the same for every provider and model. Default: [breaker.Default].
	Breaker *breaker.Config
	// MaxWait bounds each wait of calls that name no bound of their own: those of [Execute]. 0 refuses at once. Default: 2 minutes.
	MaxWait *time.Duration
	// Timeouts of an attempt.
	Timeouts Timeouts
	// Free says which requests of [Orchestrator.Pass] to a provider cost nothing, by their method and their path after the base URL, without a slash before it. Default: to
	// ask which models there are.
	Free func(provider, method, path string) bool
	// PII says what becomes of personal data and credentials in requests for a model; settings is [policy.Target.Settings]. Where a call may go to several places, the strictest counts.
	// Default: [PIIOff].
	PII func(settings string) PII
	// Redactor finds them. Default: one that looks for everything that package redact looks for by itself.
	Redactor *redact.Redactor
	// CutStops says of which providers it is known that they stop writing when the connection is closed. What a stream that was cut may have cost beyond
	// what was read of it is then two seconds of writing, where nothing is hidden, and else the rest of its bound. Default: of none.
	CutStops func(provider string) bool
	// JobLimit is the limit of a job that names none. Default: 10 dollars; a limit of 0 lets nothing be spent.
	JobLimit *money.Sum
	// Observe is told of each attempt that has ended, for metrics. It must not block, and is called from many goroutines. Default: nobody is.
	Observe func(Attempt)
	// Logger gets one line per attempt, at debug level for batch items and info for others. Default: none.
	Logger *slog.Logger
}

// Timeouts bound one attempt at a provider. Functions given to [Execute] bound themselves.
type Timeouts struct {
	// Request is the longest an attempt may take from connecting to the last byte. Default: 10 minutes.
	Request time.Duration
	// FirstByte is the longest wait for the first byte of a streamed answer. Default: 2 minutes.
	FirstByte time.Duration
	// IdleStream is the longest silence within a streamed answer. Default: 1 minute.
	IdleStream time.Duration
}

// Orchestrator runs model calls under budgets, limits, retries and breakers. One per process is the rule: limits and breakers are shared
// by all jobs. It is safe for concurrent use.
type Orchestrator struct {
	store    store.Store
	money    *budget.Tracker
	ownMoney bool // the tracker is ours to close
	limits   *limits
	looks    *looks
	log      *slog.Logger
	excess   excess
	unasked  sync.Map // providers that serve requests as priority which do not ask for it

	everything atomic.Pointer[budget.Path] // the installation's account; nil before the first job
	settings   atomic.Pointer[settings]    // in force for calls that begin now
}

// New returns an orchestrator; [Orchestrator.Close] it when it is no longer used. It fails if two providers have one name, if a Tracker comes without its Store, if a
// number is impossible, or if the store cannot be used.
func New(cfg Config) (*Orchestrator, error) {
	if cfg.Tracker != nil && cfg.Store == nil {
		return nil, errors.New("aurea: Config has a Tracker without the Store it works on")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	ownMoney := cfg.Tracker == nil
	if ownMoney {
		var err error
		cfg.Tracker, err = budget.Open(context.Background(), cfg.Store, budget.Options{Logger: cfg.Logger, MaxCall: cfg.Timeouts.Request})
		if err != nil {
			return nil, storeFailed(err)
		}
	}
	o := &Orchestrator{
		store: cfg.Store, money: cfg.Tracker, ownMoney: ownMoney, log: cfg.Logger,
		looks: newLooks(cfg.Tokenizer), limits: newLimits(cfg.Limits, cfg.Store, cfg.Tracker.Owner),
	}
	o.settings.Store(newSettings(cfg, nil))
	return o, nil
}

// check finds what no default mends.
func (c Config) check() error {
	names := make(map[string]bool, len(c.Providers))
	for _, p := range c.Providers {
		if names[p.Name()] {
			return fmt.Errorf("aurea: two providers are called %q", p.Name())
		}
		names[p.Name()] = true
	}
	for name, n := range map[string]float64{"RetryRatio": c.RetryRatio, "RetryBurst": c.RetryBurst} {
		if !(n >= 0) || math.IsInf(n, 0) {
			return fmt.Errorf("aurea: Config.%s is %v; want 0 or more", name, n)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Store == nil {
		c.Store = memory.New(memory.Options{})
	}
	if c.Prices == nil {
		c.Prices = pricing.Embedded()
	}
	if c.Router == nil {
		var known []policy.Provider
		for _, p := range c.Providers {
			known = append(known, policy.Provider{Name: p.Name(), API: p.Format()})
		}
		c.Router = policy.NewRouter(known, nil, c.Prices.Provider)
	}
	if c.Limits == nil {
		c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) {
			return ratelimit.Limits{}, ratelimit.Profile{}
		}
	}
	if c.MaxOutput == nil {
		c.MaxOutput = func(string) int64 { return 0 }
	}
	if c.CapField == nil {
		c.CapField = func(provider string) string {
			if provider == "openai" {
				return "max_completion_tokens"
			}
			return "max_tokens"
		}
	}
	schedule := retry.Policy{MaxRetries: 3}
	if c.Retry != nil {
		schedule = *c.Retry
	}
	if schedule.MaxDelay == 0 {
		schedule.BaseDelay, schedule.MaxDelay = time.Second, time.Minute
	}
	c.Retry = &schedule
	if c.Breaker == nil {
		settings := breaker.Default()
		c.Breaker = &settings
	}
	if c.MaxWait == nil {
		wait := 2 * time.Minute
		c.MaxWait = &wait
	}
	if c.RetryRatio == 0 && c.RetryBurst == 0 {
		c.RetryRatio, c.RetryBurst = 0.1, 1000
	}
	c.Timeouts.Request = cmp.Or(c.Timeouts.Request, 10*time.Minute)
	c.Timeouts.FirstByte = cmp.Or(c.Timeouts.FirstByte, 2*time.Minute)
	c.Timeouts.IdleStream = cmp.Or(c.Timeouts.IdleStream, time.Minute)
	if c.Free == nil {
		c.Free = ListsModels
	}
	if c.PII == nil {
		c.PII = func(string) PII { return PIIOff }
	}
	if c.Redactor == nil {
		c.Redactor = defaultRedactor()
	}
	if c.CutStops == nil {
		c.CutStops = func(string) bool { return false }
	}
	if c.JobLimit == nil {
		ten := money.SumOf(10 * money.Dollar)
		c.JobLimit = &ten
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Caps = c.Caps.WithDefaults()
	return c
}

// Close waits until the calls under way have ended and are in the books, and stops what the orchestrator does in the background. New calls are refused meanwhile.
// It closes neither a Tracker nor a Store that it was given. Closing twice is harmless.
func (o *Orchestrator) Close() error { return o.Shutdown(context.Background()) }

// Shutdown is [Orchestrator.Close] with an end to the waiting: what is still on the wire when ctx ends is left to whoever opens the store next, as after a
// crash.
func (o *Orchestrator) Shutdown(ctx context.Context) error {
	o.limits.close()
	if !o.ownMoney {
		return nil
	}
	return o.money.Close(ctx)
}

// Reset closes all circuits and forgets what they counted.
func (o *Orchestrator) Reset() { o.settings.Load().breakers.Reset() }

// ResetBreaker closes the circuit of one provider's model and forgets what it counted. It reports whether there is one: circuits are made with the first call.
func (o *Orchestrator) ResetBreaker(provider, model string) bool {
	return o.settings.Load().breakers.ResetOne(provider, model)
}
