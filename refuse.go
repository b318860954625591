package aurea

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// refuse is where a refusal leaves the path: it is logged once.
func (w *walk) refuse(err error) error {
	w.o.log.Debug("refused", "call_id", w.id, "job", w.call.Job.ID, "model", w.request.Model, "code", string(ErrorCode(err)), "error", err)
	return err
}

func routeRefused(err error) error {
	if _, ok := errors.AsType[*policy.EndpointMismatch](err); ok {
		return &Error{Code: CodeEndpointMismatch, Message: err.Error(), Err: err, Hint: "or give the model a provider that speaks the format"}
	}
	if unknown, ok := errors.AsType[*policy.ModelNotFound](err); ok {
		if unknown.Model == "" {
			return &Error{Code: CodeInvalidRequest, Message: "the request names no model", Hint: `write "model": a name`, Err: err}
		}
		return &Error{Code: CodeModelNotFound, Message: strings.TrimSuffix(err.Error(), ": "+unknown.Hint), Hint: unknown.Hint, Err: err}
	}
	return &Error{Code: CodeModelNotFound, Message: err.Error(), Err: err}
}

func notAllowed(err error) error {
	return &Error{Code: CodeModelNotAllowed, Message: err.Error(), Err: err, Hint: "use another model, or change ALLOWED_MODELS and DENIED_MODELS"}
}

func priceUnknown(err error) error {
	e := &Error{Code: CodePriceUnknown, Message: err.Error(), Err: err}
	if unknown, ok := errors.AsType[*pricing.UnknownPriceError](err); ok {
		e.Hint = unknown.Hint()
	}
	return e
}

func unboundedRefused(req *usage.Request) error {
	return &Error{
		Code: CodeInvalidRequest, Message: "the cost of this request's input cannot be bounded: " + req.Unbounded[0],
		Hint: "send the content inline, or set budget.unbounded_input: max",
	}
}

func boundRefused(model string, err error) error {
	return &Error{
		Code: CodePriceUnknown, Message: fmt.Sprintf("%s: %v", model, err), Err: err,
		Hint: "set max_output for the model, or an output cap in the request",
	}
}

func holdRefused(ctx context.Context, err error) error {
	var exceeded *budget.ExceededError
	switch {
	case errors.As(err, &exceeded):
		return &Error{Code: CodeBudgetExceeded, Message: err.Error(), Err: err, Hint: "or make the call smaller: its output cap counts in full until the answer is there"}
	case errors.Is(err, budget.ErrCancelled):
		return &Error{Code: CodeJobCancelled, Message: "the job is cancelled", Hint: "open another job", Err: err}
	case errors.Is(err, budget.ErrClosed), errors.Is(err, money.ErrOverflow):
		return storeFailed(err)
	case ctx.Err() != nil:
		return deadline(ctx, err)
	default:
		return storeFailed(err)
	}
}

func limitRefused(ctx context.Context, t *target, err error) error {
	var wait *ratelimit.WaitError
	if errors.Is(err, ratelimit.ErrClosed) {
		return &Error{Code: CodeUnavailable, Message: "the orchestrator is closed", Hint: "make a new one, or close it later", Err: err}
	}
	name := t.provider.Name() + "/" + t.model
	switch {
	case errors.As(err, &wait):
		return &Error{
			Code: CodeRateLimited, RetryAfter: wait.RetryAfter, Message: name + ": " + err.Error(),
			Hint: "raise rpm or tpm of the model if the provider allows more", Err: err,
		}
	case errors.Is(err, ratelimit.ErrTooLarge):
		return &Error{Code: CodeRequestOverLimit, Message: name + ": " + err.Error(), Hint: "raise the model's limit, or make the request or its output cap smaller", Err: err}
	case ctx.Err() != nil:
		return deadline(ctx, err)
	default:
		return &Error{Code: CodeRateLimited, Message: name + ": " + err.Error(), Err: err}
	}
}

func circuitOpen(t *target, err error) error {
	e := &Error{Code: CodeCircuitOpen, Message: t.provider.Name() + "/" + t.model + " is failing; its circuit is open", Err: err}
	if open, ok := errors.AsType[*breaker.OpenError](err); ok {
		e.RetryAfter = open.RetryAfter
	}
	return e
}

func deadline(ctx context.Context, err error) error {
	return &Error{Code: CodeDeadlineExceeded, Message: "the call was given up while it waited", Hint: "give it more time, or a MaxWait that refuses it sooner", Err: errors.Join(context.Cause(ctx), err)}
}

func storeFailed(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, budget.ErrClosed):
		return &Error{Code: CodeUnavailable, Message: "the orchestrator is closed", Hint: "make a new one, or close it later", Err: err}
	case errors.Is(err, money.ErrOverflow):
		return &Error{Code: CodeInvalidRequest, Message: err.Error(), Hint: "no call costs that much: see the counts of tokens and the price", Err: err}
	}
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Code: CodeNotFound, Message: err.Error(), Err: err}
	}
	if damaged, ok := errors.AsType[*store.DamageError](err); ok {
		return &Error{Code: CodeUnavailable, Message: damaged.Error(), Hint: damaged.Next, Err: err}
	}
	return &Error{Code: CodeUnavailable, Message: "the ledger cannot be used: " + err.Error(), Hint: "see that the database can be written and has room", Err: err}
}

// upstreamFailed says why no complete answer came.
func upstreamFailed(t *target, err error) *Error {
	code := CodeUpstreamError
	var timeout interface{ Timeout() bool }
	if errors.Is(err, errRequestTimeout) || errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		code = CodeUpstreamTimeout
	}
	return &Error{Code: code, Message: fmt.Sprintf("%s: %v", t.provider.Name(), err), Err: err}
}
