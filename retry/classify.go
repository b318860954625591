package retry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Failure is how an attempt went wrong. The zero value is an attempt that went right.
type Failure struct {
	// Status is the provider's HTTP status, 0 when none came.
	Status int
	Header http.Header
	// Code, Type and Message are from the provider's error body; Code is error.code, or Anthropic's error.details.error_code.
	Code, Type, Message string
	// Delay is a wait that the body itself asks for, such as Gemini's RetryInfo.retryDelay; 0 for none.
	Delay time.Duration
	// Err is what went wrong below HTTP, or with a 2xx answer that is cut short or garbage; nil if a whole answer came. An error event within a stream is an
	// Err with a 2xx status, and with Code, Type and Message from the event.
	Err error
	// Sent says that something may have reached the provider; Delivered that a part of the answer has reached our caller.
	Sent, Delivered bool
}

// Class is what a failure says about the provider.
type Class int

// Classes.
const (
	// Alive: the provider answered, if only to refuse this request.
	Alive Class = iota
	// ProviderFailure: 5xx, time-outs, broken connections, cut or garbled answers.
	ProviderFailure
	// RateLimited: too fast; the limiter is told, the breaker is not.
	RateLimited
	// QuotaSpent: a quota or spend limit of the key or account is used up; waiting seconds does not help.
	QuotaSpent
	// KeyRefused: the key is wrong or lacks a right.
	KeyRefused
	// Cancelled: our side gave up; it says nothing about the provider.
	Cancelled
)

// String returns the class as a metric's label.
func (c Class) String() string {
	return [...]string{"alive", "provider_failure", "rate_limited", "quota_spent", "key_refused", "cancelled"}[c]
}

// Verdict is what follows from a failure.
type Verdict struct {
	// Retry: the same request may go right later.
	Retry bool
	// Failover: another key or another provider may serve it.
	Failover bool
	// Floor is the wait the provider asked for; no retry comes sooner. 0 for none.
	Floor time.Duration
	Class Class
	// Reason is a short label, the same for the same cause.
	Reason string
}

// Classify judges a failure; the order of its rules is the order of the table in docs/retries.md.
func Classify(f Failure) Verdict {
	switch {
	case f.Err == nil && f.Status >= 200 && f.Status < 300 || f.Err == nil && f.Status == 0:
		return Verdict{Class: Alive, Reason: "ok"}
	case f.Err != nil:
		return transport(f)
	}
	v := status(f)
	if f.Delivered {
		v.Retry, v.Failover = false, false
	}
	if v.Class != QuotaSpent && v.Class != KeyRefused && !f.Delivered {
		switch strings.ToLower(f.Header.Get("X-Should-Retry")) { // both official SDK families obey it
		case "true":
			v.Retry = true
		case "false":
			v.Retry = false
			v.Failover = v.Failover && v.Class != ProviderFailure
		}
	}
	if v.Retry {
		v.Floor = f.Delay
		if d, ok := ParseRetryAfter(f.Header, time.Now()); ok && d > v.Floor {
			v.Floor = d
		} else if d, ok := resetAfter(f, time.Now()); v.Floor == 0 && ok {
			v.Floor = d
		}
	}
	return v
}

// transport judges an attempt without a whole answer.
func transport(f Failure) Verdict {
	if errors.Is(f.Err, context.Canceled) {
		return Verdict{Class: Cancelled, Reason: "cancelled"}
	}
	if f.Status >= 200 && f.Status < 300 && (f.Code != "" || f.Type != "" || f.Message != "") {
		return streamEvent(f)
	}
	v := Verdict{Retry: !f.Delivered, Failover: !f.Sent && !f.Delivered, Class: ProviderFailure, Reason: "connection"}
	switch {
	case errors.Is(f.Err, context.DeadlineExceeded) || isTimeout(f.Err):
		v.Reason = "timeout"
	case f.Status >= 200 && f.Status < 300:
		v.Reason = "bad_answer"
	case !f.Sent:
		v.Reason = "connect"
	}
	v.Failover = false // the breaker and the retry move along a route; a key or a model is not to blame
	return v
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// status judges an error answer.
func status(f Failure) Verdict {
	permanent := func(class Class, failover bool, reason string) Verdict {
		return Verdict{Class: class, Failover: failover, Reason: reason}
	}
	switch s := f.Status; {
	case quotaSpent(f):
		return permanent(QuotaSpent, true, "quota")
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return permanent(KeyRefused, true, "key")
	case s == http.StatusPaymentRequired:
		return permanent(QuotaSpent, true, "quota")
	case s == http.StatusNotFound:
		return permanent(Alive, true, "not_found")
	case named(f, neverCodes):
		return permanent(Alive, false, "refused")
	case s == http.StatusTooManyRequests:
		return Verdict{Retry: true, Class: RateLimited, Reason: "rate_limit"}
	case s == http.StatusRequestTimeout, s == http.StatusConflict:
		return Verdict{Retry: true, Class: Alive, Reason: "http_" + digits(s)}
	case s >= 500:
		retryable := s == 500 || s == 502 || s == 503 || s == 504 || s >= 520 && s <= 530
		return Verdict{Retry: retryable, Failover: !retryable, Class: ProviderFailure, Reason: "http_" + digits(s)}
	case s < 200 || s >= 300 && s < 400:
		return Verdict{Class: ProviderFailure, Reason: "http_" + digits(s)} // an API does not redirect: the address is wrong
	default:
		return permanent(Alive, false, "http_"+digits(s))
	}
}

func digits(n int) string {
	return string([]byte{byte('0' + n/100%10), byte('0' + n/10%10), byte('0' + n%10)})
}

// quotaCodes are the codes of 429s (and 403s) that waiting does not cure: OpenAI's error codes guide, Anthropic's spend limits, Gemini's and Groq's per-day quotas.
var quotaCodes = []string{
	"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded", "organization_usage_limit_exceeded",
	"enforced_spend_limit_reached", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded_per_day", "access_terminated",
}

// neverCodes are refusals of this very request.
var neverCodes = []string{
	"context_length_exceeded", "content_filter", "content_policy_violation", "invalid_api_key", "model_not_found", "string_above_max_length", "request_too_large",
}

func quotaSpent(f Failure) bool {
	if f.Status != http.StatusTooManyRequests && f.Status != http.StatusForbidden && f.Status != http.StatusBadRequest {
		return false
	}
	if named(f, quotaCodes) {
		return true
	}
	text := strings.ToLower(f.Message)
	switch f.Status {
	case http.StatusBadRequest: // Anthropic says an empty balance as a 400
		return strings.Contains(text, "credit balance is too low")
	case http.StatusTooManyRequests:
		return strings.Contains(text, "perday") || strings.Contains(text, "exceeded your current quota, please check your plan and billing") && f.Delay == 0 &&
			f.Header.Get("Retry-After") == ""
	}
	return false
}

func named(f Failure, codes []string) bool {
	return slices.Contains(codes, strings.ToLower(f.Code)) || slices.Contains(codes, strings.ToLower(f.Type))
}
