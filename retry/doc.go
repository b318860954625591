// Package retry decides whether an attempt at a provider is repeated, and when.
//
// [Classify] is the one place where a failure is judged: by status, error code, headers and how much of the answer was delivered. [Policy] is the schedule:
// exponential backoff with jitter that only ever adds to what the provider asked for. [Budget] keeps retries from multiplying an outage.
//
// The three are used by hand, so that each attempt can ask a limiter, a breaker and a budget anew; [Do] is the loop for those who need none of that.
package retry
