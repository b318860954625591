package aurea

import (
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// USD is an amount of money in pico-dollars (1e-12 dollars): see [money.USD].
type USD = money.USD

// Amounts to multiply, as in 5*aurea.Dollar.
const (
	Dollar = money.Dollar
	Cent   = money.Dollar / 100
)

// Usage is what a provider counted for one call, in tokens: see [usage.Usage].
type Usage = usage.Usage

// RateLimiter limits calls by model, by itself: see [ratelimit.RateLimiter].
type RateLimiter = ratelimit.RateLimiter

// RateLimits are what a provider allows: see [ratelimit.Limits].
type RateLimits = ratelimit.Limits

// NewRateLimiter returns a limiter that holds every model, by itself, to so many requests and tokens a minute; 0 is no limit.
func NewRateLimiter(defaultRPM, defaultTPM int64) *RateLimiter {
	return ratelimit.NewRateLimiter(RateLimits{RPM: defaultRPM, TPM: defaultTPM})
}

// CircuitBreaker keeps calls away from what is failing, by itself: see [breaker.Breaker]. Within an Orchestrator there is one per provider and model.
type CircuitBreaker = breaker.Breaker

// NewCircuitBreaker returns a breaker that opens after so many failures in a row, for a time that doubles up to twice that with each failed trial.
func NewCircuitBreaker(name string, failureThreshold int, timeout time.Duration) *CircuitBreaker {
	return breaker.New(name, breaker.Config{Threshold: failureThreshold, Timeout: timeout, MaxTimeout: 2 * timeout})
}

// Retry is a schedule of retries, by itself: see [retry.Policy]. Its Do method is the loop, which ends with the last error as it was; [Permanent] errors are not
// repeated. Nothing is held or limited: that is [Execute].
type Retry = retry.Policy

// Redactor takes personal data and credentials out of texts and maps: see [redact.Redactor].
type Redactor = redact.Redactor

// NewRedactor returns a redactor of credentials and, with pii, of personal data.
func NewRedactor(pii bool) *Redactor { return redact.New(redact.Options{PII: pii}) }
