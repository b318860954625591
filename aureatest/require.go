package aureatest

import (
	"errors"
	"slices"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
)

// RequireSpent fails the test unless the job has spent exactly that, in dollars as decimal text: calls that have ended, by the job and the jobs below it.
func RequireSpent(tb testing.TB, job *aurea.Job, usd string) {
	tb.Helper()
	requireMoney(tb, job, "has spent", usd, func(c aurea.CostSummary) money.Sum { return c.TotalCost })
}

// RequireUnconfirmed fails the test unless exactly that is unconfirmed: money of calls whose end nobody knows.
func RequireUnconfirmed(tb testing.TB, job *aurea.Job, usd string) {
	tb.Helper()
	requireMoney(tb, job, "has unconfirmed", usd, func(c aurea.CostSummary) money.Sum { return c.Unconfirmed })
}

// RequireRemaining fails the test unless exactly that is left for new calls.
func RequireRemaining(tb testing.TB, job *aurea.Job, usd string) {
	tb.Helper()
	requireMoney(tb, job, "has left", usd, func(c aurea.CostSummary) money.Sum { return c.RemainingBudget })
}

// RequireWithinLimit fails the test if the job has spent more than its limit, what is unconfirmed included.
func RequireWithinLimit(tb testing.TB, job *aurea.Job) {
	tb.Helper()
	c := summary(tb, job)
	if c.TotalCost.Plus(c.Unconfirmed).Cmp(c.MaxCost) > 0 {
		tb.Fatalf("job %s has spent %s USD with %s USD unconfirmed, and its limit is %s USD", c.JobID, c.TotalCost, c.Unconfirmed, c.MaxCost)
	}
}

func requireMoney(tb testing.TB, job *aurea.Job, verb, usd string, get func(aurea.CostSummary) money.Sum) {
	tb.Helper()
	want, err := money.ParseSum(usd)
	if err != nil {
		tb.Fatalf("aureatest: %v", err)
	}
	c := summary(tb, job)
	if got := get(c); got.Cmp(want) != 0 {
		tb.Fatalf("job %s %s %s USD, want %s USD: %s spent, %s unconfirmed, %s left of %s",
			c.JobID, verb, got, want, c.TotalCost, c.Unconfirmed, c.RemainingBudget, c.MaxCost)
	}
}

func summary(tb testing.TB, job *aurea.Job) aurea.CostSummary {
	tb.Helper()
	s := job.Status()
	if s.Err != nil {
		tb.Fatalf("aureatest: %v", s.Err)
	}
	return s.CostSummary
}

// RequireRequests fails the test unless so many requests have reached the provider, and returns them.
func RequireRequests(tb testing.TB, p *Provider, n int) []Request {
	tb.Helper()
	requests := p.Requests()
	if len(requests) != n {
		tb.Fatalf("%d requests have reached the provider, want %d: %s", len(requests), n, paths(requests))
	}
	return requests
}

func paths(requests []Request) []string {
	said := make([]string, len(requests))
	for i, r := range requests {
		said[i] = r.Path + " for " + r.Model
	}
	return said
}

// RequireOutcomes fails the test unless the job's attempts have ended in just that way and order: "ok"; "error" (a status that is not billed); "cut" (sent, and no
// complete answer); "unsent"; "estimated" (a complete answer without usage, booked at its hold).
func RequireOutcomes(tb testing.TB, orch *Orchestrator, job *aurea.Job, outcomes ...string) {
	tb.Helper()
	var got []string
	for _, call := range orch.Booked(tb, job) {
		got = append(got, call.Outcome)
	}
	if !slices.Equal(got, outcomes) {
		tb.Fatalf("the attempts of job %s ended as %q, want %q", aurea.ShortName(job.ID), got, outcomes)
	}
}

// RequireCode fails the test unless err is Aurea's refusal with that code, and returns it.
func RequireCode(tb testing.TB, err error, code aurea.Code) *aurea.Error {
	tb.Helper()
	e, ok := errors.AsType[*aurea.Error](err)
	if !ok || e.Code != code {
		tb.Fatalf("want an error with code %s, got %v", code, err)
	}
	return e
}
