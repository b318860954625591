package aurea

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Outcomes of an attempt, as its row says them.
const (
	outcomeOK        = "ok"        // a complete answer with usage
	outcomeEstimated = "estimated" // a complete answer without usage: its hold was booked
	outcomeError     = "error"     // an error status; providers do not bill those
	outcomeUnsent    = "unsent"    // nothing was written
	outcomeCut       = "cut"       // sent, and no complete answer
	outcomeRefused   = "refused"   // by Aurea, before an attempt
)

// bill is what an attempt is booked at.
type bill struct {
	outcome     string
	usage       usage.Usage
	cost, doubt money.USD
	own         money.USD      // our own figure, where cost is what the provider reports
	price       *pricing.Price // what cost goes by: the row of the snapshot that answered, or the target's; nil without counts
}

// bill books an ended attempt by what is known of it. What the provider may have billed without our knowing stays
// unconfirmed, up to the whole hold.
func (w *walk) bill(t *target, resp *Response) bill {
	switch {
	case w.function != nil:
		return w.function.bill(t, resp)
	case !resp.Failure.Sent && resp.Status == 0:
		return bill{outcome: outcomeUnsent}
	case resp.Meter != nil:
		return w.billStream(t, resp)
	case resp.OK():
		return w.billAnswer(t, resp)
	case resp.Failure.Err != nil:
		return bill{outcome: outcomeCut, doubt: t.worst}
	default:
		return bill{outcome: outcomeError}
	}
}

func (w *walk) billAnswer(t *target, resp *Response) bill {
	estimated := bill{outcome: outcomeEstimated, cost: t.worst}
	u, err := usage.Parse(w.call.API, resp.Body)
	if err != nil {
		w.o.log.Warn("answer without usable usage; its bound was booked", "call_id", w.id, "model", t.model, "error", err)
		return estimated
	}
	return w.priced(t, u)
}

// priced books what a usage costs.
func (w *walk) priced(t *target, u usage.Usage) bill {
	price := t.price
	if snapshot, ok := w.s.prices.Snapshot(t.provider.Name(), t.model, u.Model, w.started); ok {
		own := snapshot // here, so that only those take memory
		price = &own
	}
	w.o.servedUnasked(t.provider.Name(), w.request.Tier, u.Tier)
	cost, err := usage.Cost(*price, u)
	if errors.Is(err, usage.ErrTierPrice) || errors.Is(err, usage.ErrUnpriced) { // cost is an estimate
		return bill{outcome: outcomeEstimated, usage: u, cost: max(cost, t.worst), price: price}
	}
	if err != nil {
		w.o.log.Warn("usage without a cost; its bound was booked", "call_id", w.id, "model", t.model, "error", err)
		return bill{outcome: outcomeEstimated, cost: t.worst}
	}
	if cost > t.worst {
		w.billedPast(t, cost)
		if secondLook(t.kind) {
			w.o.looks.distrust(w.excessKey(t))
		}
		w.o.log.Warn("billed past the bound; the bound of this model is raised",
			"call_id", w.id, "model", t.model, "bound_usd", t.worst.String(), "cost_usd", cost.String())
	}
	return bill{outcome: outcomeOK, usage: u, cost: cost, own: ownFigure(price, u), price: price}
}

// ownFigure is what the price table says of a call whose provider reported its cost.
func ownFigure(p *pricing.Price, u usage.Usage) money.USD {
	if !u.HasReported || u.ReportedBy != p.Provider {
		return 0
	}
	own, err := usage.Own(*p, u)
	if err != nil {
		return 0
	}
	return own
}

// decide says what follows an attempt: nothing, another attempt now or after a delay, or, for a batch item, another one at a later time that
// survives a restart.
func (w *walk) decide(ctx context.Context, t *target, verdict retry.Verdict) step {
	if verdict.Failover && w.failOver(t, verdict) {
		return step{again: true}
	}
	if verdict.Retry && verdict.Class == retry.ProviderFailure && w.call.Item == nil && ctx.Err() == nil && w.at+1 < len(w.targets) {
		w.at++ // which is no retry: nothing that this target asks for holds there
		return step{again: true}
	}
	n := w.retried()
	if !verdict.Retry || n >= w.s.retry.MaxRetries || ctx.Err() != nil {
		return step{}
	}
	if w.rateOfOneKey(t, verdict) {
		return step{again: true}
	}
	delay, ok := w.s.retry.Delay(n, verdict.Floor)
	if !ok {
		return step{}
	}
	if w.call.Item != nil { // it waits for the retry budget when its time has come
		return step{retryAt: time.Now().Add(delay)}
	}
	if deadline, has := ctx.Deadline(); has && time.Until(deadline) <= delay {
		return step{}
	}
	if !t.provider.retries.Withdraw() {
		return step{}
	}
	return step{again: true, delay: delay}
}

// rateOfOneKey goes to another key where the provider asks to wait for the rate of one. Who has the retry takes it from the provider's budget.
func (w *walk) rateOfOneKey(t *target, verdict retry.Verdict) bool {
	if verdict.Class != retry.RateLimited || w.function != nil {
		return false
	}
	others := t.provider.keys.others(t.key)
	if w.limitedKeys++; w.limitedKeys > len(others) || !t.provider.retries.Withdraw() {
		return false
	}
	t.key = others[0]
	return true
}

// mayRetry keeps the provider's retry budget: a first attempt pays in, the retry of a batch item waits until there is one to take. Those of other calls were
// taken when they were decided on.
func (w *walk) mayRetry(t *target) error {
	if w.call.Item != nil && w.call.Item.Tries > 0 && w.tried == 0 {
		if err := t.provider.retries.Wait(w.call.Waiting); err != nil {
			return deadline(w.call.Waiting, err)
		}
		return nil
	}
	if w.tried == 0 {
		t.provider.retries.Deposit()
	}
	return nil
}

// failOver goes to another key of the provider, or to the next target.
func (w *walk) failOver(t *target, verdict retry.Verdict) bool {
	if verdict.Class == retry.KeyRefused || verdict.Class == retry.QuotaSpent {
		if key, ok := t.provider.keys.setAside(t.key); ok {
			t.key = key
			return true
		}
	}
	if w.at+1 == len(w.targets) {
		return false
	}
	w.at++
	return true
}

// moveOn goes to the next target when this one's circuit is open.
func (w *walk) moveOn(err error) bool {
	if ErrorCode(err) != CodeCircuitOpen || w.at+1 == len(w.targets) {
		return false
	}
	w.at++
	return true
}

// retried counts the retries already made, over restarts for a batch item.
func (w *walk) retried() int {
	n := w.tried - 1
	if w.call.Item != nil {
		n = w.call.Item.Tries
	}
	return n
}

// keep remembers the attempt as the answer so far.
func (w *walk) keep(t *target, resp *Response, b bill) {
	var a *Answer
	if w.function != nil {
		a = &w.function.answer
	} else {
		a = new(Answer)
	}
	var spent, unconfirmed money.USD // by the attempts before
	if w.last != nil {
		spent, unconfirmed = w.last.TotalCost, w.last.TotalUnconfirmed
	}
	*a = Answer{
		CallID: w.id, Status: resp.Status, Header: resp.Header, Body: w.masked.Answer(resp.Body), RequestID: resp.RequestID,
		Provider: t.provider.Name(), Model: t.model, Attempts: w.tried, Queued: w.queued,
		Cost: b.cost, Unconfirmed: b.doubt, TotalCost: spent + b.cost, TotalUnconfirmed: unconfirmed + b.doubt,
		Usage: b.usage, OwnCost: b.own, InjectedCap: t.injected, Masked: maskedOf(w.masked),
	}
	if err := resp.Failure.Err; err != nil {
		a.Status, a.Err = 0, upstreamFailed(t, err)
	}
	a.Truncated = t.injected > 0 && a.OK() && truncated(w.call.API, resp)
	w.last = a
}

// answer returns what the last attempt brought.
func (w *walk) answer() (*Answer, error) {
	if w.last.Err != nil && w.call.Item == nil {
		return w.last, w.last.Err
	}
	return w.last, nil
}

// row is the call's row as far as it is known before the attempt.
func (w *walk) row(t *target) store.Call {
	c := store.Call{
		ID: w.id, Attempt: w.numbered + w.tried + 1, Job: w.call.Job.ID, Provider: t.provider.Name(), Model: w.request.Model, Upstream: t.model,
		API: string(w.call.API), Bound: t.worst, BoundKind: t.kind, PriceHash: t.price.Hash, PriceFrom: t.price.Origin,
		Started: w.began,
	}
	if w.call.Item != nil {
		c.Item = w.call.Item.Seq
	}
	return c
}

func (w *walk) rowEnded(t *target, resp *Response, b bill) store.Call {
	c := w.row(t)
	if b.price != nil {
		c.PriceHash, c.PriceFrom = b.price.Hash, b.price.Origin
	}
	c.Attempt, c.Started = w.numbered+w.tried, w.started
	c.Status, c.Outcome, c.Error, c.RequestID = resp.Status, b.outcome, errorCodeOf(resp, w.last), resp.RequestID
	c.Cost, c.Own, c.Doubt = b.cost, b.own, b.doubt
	c.InputTokens, c.OutputTokens, c.ReasoningTokens = b.usage.Input+b.usage.AudioIn+b.usage.ImageIn, b.usage.Output+b.usage.AudioOut, b.usage.Reasoning
	c.CacheReadTokens, c.CacheWriteTokens = b.usage.CacheRead, b.usage.CacheWrite+b.usage.CacheWrite1h
	return c
}

func errorCodeOf(resp *Response, last *Answer) string {
	switch {
	case last != nil && last.Err != nil:
		return string(last.Err.Code)
	case resp.OK():
		return ""
	case resp.Failure.Code != "":
		return resp.Failure.Code
	default:
		return resp.Failure.Type
	}
}

// feedback tells the limiter what the provider counted and said.
func feedback(resp *Response, v retry.Verdict, b bill) ratelimit.Feedback {
	f := ratelimit.Feedback{
		Status: resp.Status, Header: resp.Header, InputTokens: -1, OutputTokens: -1, RetryAfter: v.Floor, RateLimited: v.Class == retry.RateLimited,
	}
	if b.outcome == outcomeOK {
		u := b.usage
		f.InputTokens, f.OutputTokens, f.CacheReadTokens = u.InputTokens(), u.OutputTokens(), u.CacheRead
	}
	return f
}

// breakerOutcome says what an attempt tells about the provider's health.
func breakerOutcome(v retry.Verdict) breaker.Outcome {
	switch v.Class {
	case retry.Alive:
		return breaker.Success
	case retry.ProviderFailure:
		return breaker.Failure
	default:
		return breaker.Excluded
	}
}

// record tells the observer, and writes one line per attempt; the redacting logger sees to it that nothing private is in it.
func (w *walk) record(ctx context.Context, t *target, resp *Response, verdict retry.Verdict, next step) {
	if w.s.observe != nil {
		w.s.observe(Attempt{
			CallID: w.id, Job: w.call.Job.ID, Provider: t.provider.Name(), Model: t.model, Number: w.tried, Status: resp.Status, Reason: verdict.Reason,
			Retried: next.again || !next.retryAt.IsZero(), Cost: w.last.Cost, Unconfirmed: w.last.Unconfirmed, Usage: w.last.Usage, Queued: w.queued, Took: time.Since(w.started),
		})
	}
	level := slog.LevelInfo
	if w.call.Item != nil || w.call.Logged {
		level = slog.LevelDebug
	}
	if !w.o.log.Enabled(ctx, level) {
		return
	}
	w.o.log.LogAttrs(ctx, level, "attempt",
		slog.String("call_id", w.id), slog.Int("attempt", w.tried), slog.String("job", w.call.Job.ID),
		slog.String("provider", t.provider.Name()), slog.String("model", w.request.Model), slog.String("upstream", t.model),
		slog.Int("status", resp.Status), slog.String("reason", verdict.Reason), slog.String("cost_usd", w.last.Cost.String()), slog.String("own_usd", w.last.OwnCost.String()),
		slog.String("unconfirmed_usd", w.last.Unconfirmed.String()), slog.Duration("queued", w.queued),
		slog.Duration("took", time.Since(w.started)), slog.String("request_id", resp.RequestID))
}

// step is what follows an attempt.
type step struct {
	again   bool
	delay   time.Duration
	retryAt time.Time
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// judge classifies an ended attempt. What our own side ended says nothing about the provider.
func (w *walk) judge(ctx context.Context, resp *Response) retry.Verdict {
	v := retry.Classify(resp.Failure)
	if err := resp.Failure.Err; err != nil && (ctx.Err() != nil || errors.Is(err, budget.ErrJournal) || errors.Is(err, budget.ErrUnavailable) || errors.Is(err, budget.ErrClosed)) {
		v.Retry, v.Failover, v.Class = false, false, retry.Cancelled
	}
	if w.function != nil {
		v = w.function.judged(ctx, v)
	}
	return v
}

// abandon ends an attempt that nobody can tell about any more.
func (w *walk) abandon(t *target, hold *budget.Hold, permit *ratelimit.Permit, circuit *breaker.Permit) {
	circuit.Done(breaker.Failure)
	permit.Done(ratelimit.Feedback{InputTokens: -1, OutputTokens: -1})
	row := w.row(t)
	row.Attempt, row.Started, row.Outcome, row.Doubt = w.numbered+w.tried, w.started, outcomeCut, t.worst
	hold.End(budget.End{Call: row, Doubt: t.worst})
}
