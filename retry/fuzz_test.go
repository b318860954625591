package retry_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/retry"
)

// Whatever a provider says, what has reached our caller is not asked for again, and a verdict is one of the table's.
func FuzzClassify(f *testing.F) {
	f.Add(429, "rate_limit_exceeded", "", "Please try again in 20s", "true", "20", "x-ratelimit-reset-tokens", int64(0), byte(0))
	f.Add(429, "", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details", "", "", "", int64(0), byte(1))
	f.Add(200, "overloaded_error", "", "Overloaded", "", "", "", int64(0), byte(5))
	f.Add(400, "", "", "Your credit balance is too low", "true", "-1", "", int64(-1), byte(2))
	f.Add(503, "", "", "", "false", "1e9", "anthropic-ratelimit-tokens-reset", int64(1<<62), byte(7))
	f.Fuzz(func(t *testing.T, status int, code, kind, message, should, after, name string, delay int64, how byte) {
		failure := retry.Failure{
			Status: status, Code: code, Type: kind, Message: message, Delay: max(time.Duration(delay), 0), Sent: how&1 != 0, Delivered: how&2 != 0,
			Header: http.Header{"X-Should-Retry": {should}, "Retry-After": {after}, http.CanonicalHeaderKey(name): {after}},
		}
		if how&4 != 0 {
			failure.Err = errors.New("cut")
		}
		v := retry.Classify(failure)
		if v.Class < retry.Alive || v.Class > retry.Cancelled || v.Class.String() == "" || v.Reason == "" {
			t.Fatalf("%+v: %+v", failure, v)
		}
		if failure.Delivered && (v.Retry || v.Failover) {
			t.Fatalf("delivered and repeated: %+v: %+v", failure, v)
		}
		if v.Floor < 0 || v.Floor > 0 && !v.Retry {
			t.Fatalf("a wait of %s: %+v: %+v", v.Floor, failure, v)
		}
		if (v.Class == retry.QuotaSpent || v.Class == retry.KeyRefused) && v.Retry && failure.Err == nil {
			t.Fatalf("repeated with the same key: %+v: %+v", failure, v)
		}
		if failure.Err == nil && status >= 200 && status < 300 && v != (retry.Verdict{Class: retry.Alive, Reason: "ok"}) {
			t.Fatalf("an answer is a failure: %+v: %+v", failure, v)
		}
	})
}
