package aurea

import (
	"cmp"
	"errors"
	"slices"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Status is where limits and breakers stand.
type Status struct {
	Limits   []LimitStatus
	Breakers []breaker.Status
}

// LimitStatus is one limiter: of a provider's model and key.
type LimitStatus struct {
	Name        string // provider/model
	RPM, TPM    int64  // in force, 0 for none
	Admitted    int64  // calls let through since the start
	Waiting     int64
	Utilisation float64 // share of the allowance used since the first call, 0 to 1
}

// Status returns a snapshot. Safe for concurrent use.
func (o *Orchestrator) Status() Status {
	s := Status{Breakers: o.breakers.Snapshot()}
	for id, lim := range o.limits.all() {
		u := lim.Usage()
		s.Limits = append(s.Limits, LimitStatus{
			Name: id.provider + "/" + id.model, RPM: u.Limits.RPM, TPM: u.Limits.TPM, Admitted: u.Admitted, Waiting: int64(u.Waiting), Utilisation: u.Utilisation,
		})
	}
	slices.SortFunc(s.Limits, func(a, b LimitStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// Shortfall returns what a refused hold needed, what was left, and the account that refused it; ok is false for any other error.
func Shortfall(err error) (need money.USD, left money.Sum, account string, ok bool) {
	var e *budget.ExceededError
	if !errors.As(err, &e) {
		return 0, money.Sum{}, "", false
	}
	return e.Need, e.Left(), e.Account, true
}

// SpeaksAnthropic reports whether calls of the model go to a provider of Anthropic's format and to no other.
func (o *Orchestrator) SpeaksAnthropic(model string) bool {
	if _, err := o.router.Resolve(model, FormatOpenAI); err == nil {
		return false
	}
	_, err := o.router.Resolve(model, FormatAnthropic)
	return err == nil
}

// CapField returns the name of the output cap in a chat completion of the model.
func (o *Orchestrator) CapField(model string) string {
	route, err := o.router.Resolve(model, FormatOpenAI)
	if err != nil {
		return "max_tokens"
	}
	return o.capField(route.Targets[0].Provider)
}

// SharedAccounts returns the accounts above a job and its parents: its key and the installation, or those of rehearsals.
func SharedAccounts(j store.Job) []string {
	if j.Simulated {
		return []string{store.KeyPrefix + simulatedKey}
	}
	key, _, _ := cutKey(j.ID)
	return []string{store.KeyPrefix + key, store.AccountGlobal}
}
