package budget

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// Errors of this package, matched with errors.Is.
var (
	// ErrExceeded: the hold does not fit a limit. The error is an [*ExceededError].
	ErrExceeded = errors.New("budget exceeded")
	// ErrCancelled: an account on the path is closed, because its job was cancelled. It is [store.ErrCancelled].
	ErrCancelled = store.ErrCancelled
	// ErrUnavailable: the store has been out of reach for so long that nothing new may be held. It is [store.ErrUnavailable].
	ErrUnavailable = store.ErrUnavailable
	// ErrJournal: the mark that must precede the request could not be written, so nothing may be sent.
	ErrJournal = errors.New("budget: journal cannot be written; free some disk space or check the folder's permissions")
	// ErrClosed: the tracker was closed, or the hold has ended already.
	ErrClosed = errors.New("budget: closed")
	// ErrForeign: a path belongs to the tracker that made it.
	ErrForeign = errors.New("budget: the path belongs to another tracker")
	// ErrOwnerMayLive: money is in doubt with a process that may still be running; ask again later.
	ErrOwnerMayLive = errors.New("budget: the process that made these calls may still be alive")
)

// ExceededError says which account refused a hold, and why.
type ExceededError struct {
	Account string
	// Need is what the call may cost at worst.
	Need money.USD
	// Limit, Spent, Held and Unconfirmed are the account as the decision saw it. Held is set aside by calls in
	// flight, here and in other processes, and by what those keep for their next calls.
	Limit, Spent, Held, Unconfirmed money.Sum
	// ResetAt is when the account's window starts anew; zero for an account without windows.
	ResetAt time.Time
	// Waited is how long the hold waited for others to give money back.
	Waited time.Duration

	cause error
}

// Left returns Limit − Spent − Unconfirmed, never below zero.
func (e *ExceededError) Left() money.Sum {
	left := e.Limit.Minus(e.Spent).Minus(e.Unconfirmed)
	if left.Negative() {
		return money.Sum{}
	}
	return left
}

// Error names the account, the figures and what can be done.
func (e *ExceededError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "budget of %s exceeded: the call may cost $%s, $%s of $%s is left ($%s spent", e.Account, e.Need, e.Left(), e.Limit, e.Spent)
	if e.Held != (money.Sum{}) {
		fmt.Fprintf(&b, ", $%s held", e.Held)
	}
	if e.Unconfirmed != (money.Sum{}) {
		fmt.Fprintf(&b, ", $%s unconfirmed", e.Unconfirmed)
	}
	b.WriteString(")")
	if e.Waited >= 100*time.Millisecond { // less is a transaction, not a wait
		fmt.Fprintf(&b, " after waiting %s", e.Waited.Round(time.Millisecond))
	}
	b.WriteString("; raise its limit")
	if e.Unconfirmed != (money.Sum{}) {
		b.WriteString(", reconcile what is unconfirmed")
	}
	if !e.ResetAt.IsZero() {
		fmt.Fprintf(&b, ", or wait until %s", e.ResetAt.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// Unwrap makes the error match [ErrExceeded] and, where a context's deadline ended the wait, that.
func (e *ExceededError) Unwrap() []error {
	if e.cause != nil {
		return []error{ErrExceeded, e.cause}
	}
	return []error{ErrExceeded}
}
