package aurea

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Status is where limits and breakers stand.
type Status struct {
	Limits   []LimitStatus
	Breakers []breaker.Status
	// Held is set aside by calls under way, Unconfirmed may have been spent: of the whole installation, by all processes. They are as this process
	// knows them, and zero before its first call.
	Held, Unconfirmed money.Sum
}

// LimitStatus is one limiter: of a provider's model and key.
type LimitStatus struct {
	Name        string // provider/model
	RPM, TPM    int64  // in force, 0 for none
	Admitted    int64  // calls let through since the start
	Waiting     int64
	Utilisation float64 // share of the allowance used since the first call, 0 to 1

	Provider, Model string
	Key             int             // number of the provider's API key, from 1; the key itself is never shown
	Usage           ratelimit.Usage // all the limiter says
}

// Status returns a snapshot. Safe for concurrent use.
func (o *Orchestrator) Status() Status {
	s := Status{Breakers: o.settings.Load().breakers.Snapshot()}
	for id, lim := range o.limits.all() {
		u := lim.Usage()
		s.Limits = append(s.Limits, LimitStatus{
			Name: id.provider + "/" + id.model, RPM: u.Limits.RPM, TPM: u.Limits.TPM, Admitted: u.Admitted, Waiting: int64(u.Waiting), Utilisation: u.Utilisation,
			Provider: id.provider, Model: id.model, Key: o.keyNumber(id), Usage: u,
		})
	}
	slices.SortFunc(s.Limits, func(a, b LimitStatus) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key)) })
	if all := o.everything.Load(); all != nil {
		for _, a := range o.money.Glance(all) {
			s.Held, s.Unconfirmed = a.Held, a.Unconfirmed
		}
	}
	return s
}

// keyNumber is the place of a limiter's key among those of its provider, from 1; 0 where there is none, as in calls of [Execute].
func (o *Orchestrator) keyNumber(id limitID) int {
	up := o.settings.Load().providers[id.provider]
	if up == nil {
		return 0
	}
	return slices.Index(up.Keys(), id.key) + 1
}

// JobStatus is where a job stands. The JSON names are a contract.
type JobStatus struct {
	JobID       string      `json:"job_id"`
	CostSummary CostSummary `json:"cost_summary"`
	// CircuitBreakers by model, or by PROVIDER/MODEL where several providers serve models of one name. They are the process's: all jobs share them.
	CircuitBreakers map[string]breaker.Status `json:"circuit_breakers"`
	// Err says why the figures are only those that this process knows, and no models are listed: the store could not be asked. Else nil.
	Err error `json:"-"`
}

// CostSummary is what a job has spent, in US dollars.
type CostSummary struct {
	JobID string `json:"job_id"`
	// TotalCost is spent for certain, by the job and the jobs below it.
	TotalCost money.Sum `json:"total_cost"`
	MaxCost   money.Sum `json:"max_cost"`
	// RemainingBudget is what new calls can still spend, here and on every account above: limit − spent − unconfirmed, never below zero. Calls under way hold
	// some of it.
	RemainingBudget money.Sum `json:"remaining_budget"`
	// Unconfirmed may have been spent: it counts against the limit until somebody reconciles it.
	Unconfirmed money.Sum `json:"unconfirmed"`
	// UsageByModel is the job's own, without the jobs below it.
	UsageByModel map[string]ModelUsage `json:"usage_by_model"`
}

// ModelUsage is what a job used of one model.
type ModelUsage struct {
	Calls        int64     `json:"calls"`
	Attempts     int64     `json:"attempts"`
	InputTokens  int64     `json:"input_tokens"` // cached ones included
	OutputTokens int64     `json:"output_tokens"`
	Cost         money.Sum `json:"cost"`
}

// statusTimeout bounds how long a status waits for the store.
const statusTimeout = 5 * time.Second

// Status returns where the job stands: everything that has ended is in it, by all processes that share the store. It asks the store, and tells what this
// process knows if that does not answer within five seconds. Safe for concurrent use.
func (j *Job) Status() JobStatus {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	s := JobStatus{JobID: ShortName(j.ID), CircuitBreakers: j.o.breakersByModel()}
	err := j.o.money.Flush(ctx)
	standing, e := j.o.money.Standing(ctx, j.path)
	if err = errors.Join(err, e); e != nil {
		standing = j.o.money.Glance(j.path)
	}
	s.CostSummary = CostSummary{JobID: s.JobID, UsageByModel: make(map[string]ModelUsage)}
	account, sums, e := j.o.store.ModelSums(ctx, j.ID)
	for i, a := range standing {
		if i == 0 {
			if e == nil { // of the moment that the models' sums are of
				a.Spent, a.Limit, a.Unconfirmed, a.Remaining = account.Spent, account.Limit, account.Doubt, account.Remaining()
			}
			s.CostSummary.TotalCost, s.CostSummary.MaxCost = a.Spent, a.Limit
			s.CostSummary.Unconfirmed, s.CostSummary.RemainingBudget = a.Unconfirmed, a.Remaining
		}
		if a.Remaining.Cmp(s.CostSummary.RemainingBudget) < 0 {
			s.CostSummary.RemainingBudget = a.Remaining
		}
	}
	for model, m := range sums {
		s.CostSummary.UsageByModel[model] = ModelUsage{
			Calls: m.Calls, Attempts: m.Attempts, InputTokens: m.InputTokens, OutputTokens: m.OutputTokens, Cost: m.Cost,
		}
	}
	s.Err = errors.Join(err, e)
	return s
}

// Standing is what is left of a job's budget, as this process knows it: at most a second behind other processes.
type Standing struct {
	// Spent is the job's own, Remaining the least of the accounts on its path: limit − spent − unconfirmed, never below zero.
	Spent, Remaining money.Sum
	// Unlimited says that no account on the path has a limit; then Remaining means nothing.
	Unlimited bool
	// Err is an *[Error] that says why calls of the job are to end now: it was cancelled, or the truth of what it spent has passed a limit. Else nil.
	Err error
}

// Standing returns it from memory, without asking the store. Safe for concurrent use.
func (j *Job) Standing() Standing {
	s := Standing{Unlimited: true}
	for i, a := range j.o.money.Glance(j.path) {
		if i == 0 {
			s.Spent = a.Spent
		}
		switch {
		case a.Closed:
			s.Err = &Error{Code: CodeJobCancelled, Message: "the job is cancelled", Hint: "open another job"}
		case s.Err == nil && !a.Limit.IsUnlimited() && a.Spent.Plus(a.Unconfirmed).Cmp(a.Limit) > 0:
			s.Err = &Error{Code: CodeBudgetExceeded, Message: fmt.Sprintf("budget of %s exceeded: $%s of $%s is spent", a.Account, a.Spent.Plus(a.Unconfirmed), a.Limit), Hint: "raise its limit"}
		}
		if !a.Limit.IsUnlimited() && (s.Unlimited || a.Remaining.Cmp(s.Remaining) < 0) {
			s.Remaining, s.Unlimited = a.Remaining, false
		}
	}
	return s
}

// Reconcile ends what is unconfirmed on the job and the jobs below it: as spent, because the provider billed it, or, with spent false, as never billed, and returns how much
// that was. Look at the provider's bill first: what is released here is the limit's again. It fails with [budget.ErrOwnerMayLive] while a process that was declared dead may
// still be making the calls in question. Safe for concurrent use.
func (j *Job) Reconcile(ctx context.Context, spent bool) (money.Sum, error) {
	if err := j.o.money.Flush(ctx); err != nil {
		return money.Sum{}, storeFailed(err)
	}
	sum, err := j.o.money.Reconcile(ctx, j.path, j.ID, spent)
	if err != nil && !errors.Is(err, budget.ErrOwnerMayLive) {
		err = storeFailed(err)
	}
	return sum, err
}

func (o *Orchestrator) breakersByModel() map[string]breaker.Status {
	all, models := o.settings.Load().breakers.Snapshot(), make(map[string]int)
	for _, b := range all {
		models[b.Model]++
	}
	by := make(map[string]breaker.Status, len(all))
	for _, b := range all {
		name := b.Model
		if models[b.Model] > 1 {
			name = b.Name
		}
		by[name] = b
	}
	return by
}

// Shortfall returns what a refused hold needed, what was left, and the account that refused it; ok is false for any other error.
func Shortfall(err error) (need money.USD, left money.Sum, account string, ok bool) {
	var e *budget.ExceededError
	if !errors.As(err, &e) {
		return 0, money.Sum{}, "", false
	}
	return e.Need, e.Left(), e.Account, true
}

// ValidateModel returns the *[Error] that a call of the model would be refused with because of the allow and deny lists, or for want of a price; nil if it may be
// called.
func (o *Orchestrator) ValidateModel(model string) error {
	p := o.settings.Load().places.of("", model)
	if p.err != nil {
		return p.err
	}
	_, err := o.settings.Load().price(p.provider.Name(), model, p.model, time.Now())
	return err
}

// SpeaksAnthropic reports whether calls of the model go to a provider of Anthropic's format and to no other.
func (o *Orchestrator) SpeaksAnthropic(model string) bool {
	router := o.settings.Load().router
	if _, err := router.Resolve(model, FormatOpenAI); err == nil {
		return false
	}
	_, err := router.Resolve(model, FormatAnthropic)
	return err == nil
}

// CapField returns the name of the output cap in a chat completion of the model.
func (o *Orchestrator) CapField(model string) string {
	s := o.settings.Load()
	route, err := s.router.Resolve(model, FormatOpenAI)
	if err != nil {
		return "max_tokens"
	}
	return s.capField(route.Targets[0].Provider)
}

// SharedAccounts returns the accounts above a job and its parents: its key and the installation, or those of rehearsals.
func SharedAccounts(j store.Job) []string {
	if j.Simulated {
		return []string{store.KeyPrefix + simulatedKey}
	}
	key, _, _ := cutKey(j.ID)
	return []string{store.KeyPrefix + key, store.AccountGlobal}
}
