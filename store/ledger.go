package store

import (
	"context"
	"errors"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Errors that backends return, matched with errors.Is.
var (
	// ErrFenced: the owner was declared dead; its epoch has moved on and nothing was written.
	ErrFenced = errors.New("store: this process was declared dead by another")
	// ErrStale: a lease's sequence number is not the expected one, so an earlier change did or did not
	// arrive; nothing was written. Read the lease and decide.
	ErrStale = errors.New("store: lease has moved on")
	// ErrUnbalanced: a round's calls, leases and completions do not fit together, or an amount is negative; nothing was
	// written, and repeating it cannot help.
	ErrUnbalanced = errors.New("store: round does not add up")
	// ErrOwnerLive: only processes that have ended can be settled, and this one has not.
	ErrOwnerLive = errors.New("store: the process is still running; end it first")
	// ErrNotFound: no such account, owner, job or item.
	ErrNotFound = errors.New("store: not found")
	// ErrUnavailable: the database cannot be used now; nothing is known to be written.
	ErrUnavailable = errors.New("store: database unavailable")
	// ErrNewerSchema: the database was written by a newer version of Aurea.
	ErrNewerSchema = errors.New("store: database was made by a newer version of Aurea; upgrade this program")
)

// CounterID names a counter inside one database.
type CounterID int64

// OwnerID names one run of one process. It is random and never used again.
type OwnerID string

// Account names: AccountGlobal, or a prefix and the name of a job or key.
const (
	AccountGlobal = "global"
	JobPrefix     = "job:"
	KeyPrefix     = "key:"
)

// CounterSpec asks for the counter of an account in a window.
type CounterSpec struct {
	// Account is [AccountGlobal], or [JobPrefix] or [KeyPrefix] and a name.
	Account string
	// Window is the start of the window in UTC; zero for an account without windows.
	Window time.Time
	// Limit is what the account gets when it is made; an existing one keeps its own.
	Limit money.Sum
}

// Counter is an account in one window, as of one snapshot.
type Counter struct {
	ID      CounterID
	Account string
	Window  time.Time
	Limit   money.Sum
	// Closed accounts (cancelled jobs) grant nothing.
	Closed bool

	// Committed = Spent counted into the counter + Doubt + granted of all leases.
	Committed money.Sum
	// Spent is the spending that is shown: the counter's own and that of all its leases.
	Spent money.Sum
	// Doubt is what users see as unconfirmed.
	Doubt money.Sum
	// WantedUntil rises whenever a process waits for others to give back what they do not need. It says by its clock for how long; to others, whose clocks may
	// say anything, the rise alone is the wish.
	WantedUntil time.Time
}

// Remaining returns Limit − Spent − Doubt, never below zero: what is not yet used up, leased or not.
func (c Counter) Remaining() money.Sum {
	r := c.Limit.Minus(c.Spent).Minus(c.Doubt)
	if r.Negative() {
		return money.Sum{}
	}
	return r
}

// Leased returns the part of Committed that is neither spent nor in doubt: held by, or free in, some process.
func (c Counter) Leased() money.Sum { return c.Committed.Minus(c.Spent).Minus(c.Doubt) }

// OwnerState is where an owner is in its life.
type OwnerState string

// Owner states.
const (
	OwnerLive OwnerState = "live"
	// OwnerDead was declared dead; its leases are doubt until [Ledger.SettleDead] is final.
	OwnerDead OwnerState = "dead"
	// OwnerGone left cleanly, or was settled after its death.
	OwnerGone OwnerState = "gone"
)

// Owner is one run of one process.
type Owner struct {
	ID     OwnerID
	Epoch  int64 // 1 when it joins, raised when it is declared dead
	State  OwnerState
	PID    int
	Host   string
	BootID string // of the machine; a journal of another boot proves nothing
	Joined time.Time
	Died   time.Time
}

// Call is the row of one attempt: what was asked of whom, how it ended, and what it cost.
// (ID, Attempt) is unique; writing the same row again changes nothing. Attempt is ≥ 0; a negative one, ^n, marks what
// [Ledger.Reconcile] or [Ledger.Settle] booked later for attempt n, whose own row was there, or that nothing was spent.
type Call struct {
	ID       string
	Attempt  int
	Job      string      // "local/nightly"; empty outside jobs
	Path     []CounterID // the counters the call drew on
	Item     int64       // sequence number of the batch item, 0 outside batches
	Provider string
	Model    string // as requested
	Upstream string // as sent, or as the answer named it
	API      string // chat, completions, responses, embeddings, messages

	Status  int    // the provider's HTTP status, 0 when none came
	Outcome string // ok, error, cut, unsent, estimated, reconciled, verified, expected
	Error   string // our code or the provider's, never its text

	InputTokens, CacheReadTokens, CacheWriteTokens, OutputTokens, ReasoningTokens int64

	Cost      money.USD // booked as spent, on every counter of Path
	Own       money.USD // by the price table, where Cost is what the provider reports; 0 where they are the same thing
	Doubt     money.USD // booked as unconfirmed, on every counter of Path
	Bound     money.USD // what was held
	BoundKind string    // bytes, cap, …: which bound was used
	PriceHash string    // of the price row
	PriceFrom string    // its origin

	RequestID string // the provider's
	Started   time.Time
	Ended     time.Time
}

// Entry is one ended attempt, with what it completes if it belongs to a batch.
type Entry struct {
	Call       Call
	Completion *Completion
}

// LeaseOp is all that one round changes on one lease of the owner. The first op on a counter has Seq 0 and creates the lease.
//
// The parts are applied in the order of the fields. All amounts are ≥ 0.
type LeaseOp struct {
	Counter CounterID
	// Seq is the lease's sequence number as the owner knows it; another one is [ErrStale].
	Seq int64
	// Spent is the lease's spending after this round, absolute, so that repeating a round is harmless.
	Spent money.USD
	// Force is granted whatever the limit says: a provider billed past the bound.
	Force money.USD
	// Doubt moves from granted to the counter's doubt: Σ Doubt of this round's calls on this counter.
	Doubt money.USD
	// Give goes back: granted and committed fall by it.
	Give money.USD
	// Wants are asked for one after the other, each granted whole or not at all; the first that does not fit, or is asked of a closed account, ends the list.
	Wants []money.USD
	// Extra is granted after all Wants were, if the whole of it fits; it is what the owner will need next.
	Extra money.USD
	// WantedUntil, if not zero, asks other owners to give back what they do not need: the account's becomes this, or rises by the least there is if it is later.
	WantedUntil time.Time
	// Close ends the lease: spending is counted into the counter, the rest goes back, the row is deleted.
	Close bool
}

// LeaseState is a lease after a round, with the counter it draws on.
type LeaseState struct {
	Counter CounterID
	Seq     int64
	Granted money.USD
	Spent   money.USD
	// Wants is how many of the op's Wants were granted, Extra whether its Extra was.
	Wants int
	Extra bool
	// Account is the counter in the same snapshot, after the round.
	Account Counter
}

// Round is one transaction of an owner: ended attempts, and what changes on its leases.
type Round struct {
	Owner   OwnerID
	Epoch   int64
	Now     time.Time
	Leases  []LeaseOp // at most one per counter
	Entries []Entry
}

// RoundResult is what a round did.
type RoundResult struct {
	Leases []LeaseState // in the order of Round.Leases; closed leases have Seq 0
	// Rejected lists indexes into Round.Entries whose completion was fenced: the item is no longer this owner's at that attempt.
	// Their calls and costs were written all the same.
	Rejected []int
}

// OpenHold is a hold that had not ended when its owner died.
type OpenHold struct {
	Call   Call // ID, Attempt, Job, Path, Item, Provider, Model, Bound and Started are known
	Amount money.USD
}

// PostMortem settles the leases of an owner that was declared dead. It comes from the owner's journal, or from the owner
// itself if it lived after all.
type PostMortem struct {
	Owner OwnerID
	Now   time.Time
	// Ended attempts; those whose rows are there already change nothing.
	Entries []Entry
	// Sent holds without an end: their amounts stay as doubt, each with its call. A late owner names those that are still in
	// flight, in every settlement: else a call that overran its bound takes the doubt that covers them.
	Sent []OpenHold
	// Final: nothing else of this owner can have been spent. What is left of its doubt without a call leaves doubt and
	// committed, and the owner is gone.
	Final bool
}

// Doubt is money that may or may not have been spent.
type Doubt struct {
	ID      int64
	Owner   OwnerID
	Counter CounterID
	Call    string // empty: a dead owner's lease without a journal
	Attempt int
	Amount  money.USD
	Since   time.Time
	// Job, Provider, Model and Upstream are those of the call, where there is one.
	Job, Provider, Model, Upstream string
	Started                        time.Time // of the call; zero where it is not known
}

// ModelSum is the sum over calls of one model.
type ModelSum struct {
	Calls, Attempts           int64 // Calls counts distinct call ids
	InputTokens, OutputTokens int64 // input with cache reads and writes
	Cost                      money.Sum
	Own                       money.Sum // of each call its Own, or its Cost where there is none
}

// Ledger is the money. Every method is one transaction: it happens whole or not at all. Methods are safe for concurrent use, also by
// several processes on one database, and return [ErrUnavailable] (wrapped) when the database cannot be used.
type Ledger interface {
	// OpenCounter returns the counter, creating it with the spec's limit if it is not there.
	OpenCounter(ctx context.Context, spec CounterSpec) (Counter, error)
	// Counters returns the counters in one snapshot, in the order of ids; an unknown id is ErrNotFound.
	Counters(ctx context.Context, ids ...CounterID) ([]Counter, error)
	// FindCounter returns the counter of an account in a window, or ErrNotFound.
	FindCounter(ctx context.Context, account string, window time.Time) (Counter, error)
	// SetLimit raises or lowers the limit; it may end below what is committed, and then nothing is granted.
	SetLimit(ctx context.Context, id CounterID, limit money.Sum) (Counter, error)
	// SetClosed closes or opens the account for grants.
	SetClosed(ctx context.Context, id CounterID, closed bool) (Counter, error)

	// Join writes a new live owner with epoch 1.
	Join(ctx context.Context, o Owner) error
	// Owner returns an owner, or ErrNotFound; Owners those in a state.
	Owner(ctx context.Context, id OwnerID) (Owner, error)
	Owners(ctx context.Context, state OwnerState) ([]Owner, error)
	// Leave marks a live owner gone; it must have closed its leases.
	Leave(ctx context.Context, id OwnerID, epoch int64) error
	// Apply writes a round, if the owner is live at the epoch (else ErrFenced), all sequence numbers are the
	// expected ones (else ErrStale), and on every counter the lease's Spent rises by the cost of the round's new calls
	// and its Doubt is theirs (else ErrUnbalanced). Rows first, counters in ascending order last.
	Apply(ctx context.Context, r Round) (RoundResult, error)
	// Lease returns an owner's lease on a counter (Wants and Extra unset), or ErrNotFound.
	Lease(ctx context.Context, owner OwnerID, id CounterID) (LeaseState, error)

	// Declare marks a live owner dead: epoch + 1, and each lease's unspent part becomes doubt without a call. Declaring
	// it again changes nothing.
	Declare(ctx context.Context, id OwnerID, now time.Time) error
	// SettleDead turns the doubt of a dead owner into what is known. For each entry that is new: spent += cost, doubt −= min(cost, the
	// doubt left), any excess forced; its Doubt and those of Sent become doubt with a call. An entry first ends the doubt
	// that its own call has from an earlier settlement. Completions are
	// guarded by owner and attempt as in Apply. It may be repeated, and it may come after a final one: a process that lived after all brings what ended since.
	// ErrNotFound if the owner was never declared dead.
	SettleDead(ctx context.Context, p PostMortem) (RoundResult, error)

	// Doubts returns the open doubts on a counter, oldest first.
	Doubts(ctx context.Context, id CounterID) ([]Doubt, error)
	// Reconcile ends the doubts that a counter has, along the path (the counter first, then those above it): spent books them as a
	// call row of outcome "reconciled", else they are released. A doubt with a call ends on all counters of that call. One without a call
	// ends as much of what the same owner left above, and once it has none on any job, what it left on keys and above is released: every call draws on a job.
	// The doubts of a live owner are of calls that have ended, so they end as well. It returns the amount ended on the first counter.
	Reconcile(ctx context.Context, path []CounterID, job string, spent bool, now time.Time) (money.Sum, error)

	// OpenDoubts returns every attempt that has doubt, oldest first, and what dead owners cannot explain.
	OpenDoubts(ctx context.Context) ([]OpenDoubt, error)
	// Settle ends the doubts of single attempts, each on all of its counters: spent += Cost, doubt −= its amount, committed falls by what was
	// not spent, and a row says so, at the attempt itself if it has none and something was spent, else at ^attempt. It says of each settlement whether it was done:
	// one whose doubt has ended, or is another amount by now, changes nothing, so settlements can be repeated. A Cost that is negative or above
	// the doubt on a counter is ErrUnbalanced.
	Settle(ctx context.Context, all []Settlement, now time.Time) (done []bool, err error)
	// DaySums returns sums over the calls that began from a time (zero: ever) until before another (zero: ever), by day, provider and model, sorted.
	// Calls that drew on one of the counters in without are left out, and rows that do not say when they began. It reads every row in the time of a
	// scan, in flat memory.
	DaySums(ctx context.Context, from, to time.Time, without ...CounterID) ([]DaySum, error)

	// Calls returns the call rows of a job, newest last; an empty job means all. after is the row id to
	// go on from (0 at first); next is 0 at the end.
	Calls(ctx context.Context, job string, after int64, limit int) (calls []Call, next int64, err error)
	// ModelSums returns sums by model over a job's calls, and the job's account, of one snapshot: what is spent is their cost and what the jobs below it spent.
	// The account is zero if the job has none.
	ModelSums(ctx context.Context, job string) (Counter, map[string]ModelSum, error)

	// UseModel notes that an owner uses a provider's model, and returns who else does: they share its rate limit.
	UseModel(ctx context.Context, use ModelUse) (ModelUsers, error)
	// TakeDay takes up to want of what is left of a provider's model's limit for the day that begins at day, for all processes together, each part as far as there is
	// some, and returns what it got and what all have taken. A part below zero is given back. A limit of 0 is none. Earlier days are forgotten.
	TakeDay(ctx context.Context, key string, day time.Time, want, limit DayUse) (got, taken DayUse, err error)
}

// DayUse is a part of what a provider allows per day.
type DayUse struct{ Requests, Tokens int64 }

// Take returns what of want can be taken where so much is taken already: all that is left of each limit at most, and what is given back.
func (taken DayUse) Take(want, limit DayUse) (got DayUse) {
	part := func(taken, want, limit int64) int64 {
		if want > 0 && limit > 0 {
			return max(min(want, limit-taken), 0)
		}
		return max(want, -taken)
	}
	return DayUse{part(taken.Requests, want.Requests, limit.Requests), part(taken.Tokens, want.Tokens, limit.Tokens)}
}

// ModelUse is what an owner tells of a provider's model that it uses.
type ModelUse struct {
	Owner OwnerID
	Key   string
	// Now is the owner's clock. A store that many machines share goes by its own.
	Now time.Time
	// Window is for how long the use of another counts.
	Window time.Duration
	// Held is for how long the provider has told this owner to send nothing; 0 if it has not.
	Held time.Duration
}

// ModelUsers are those who use a provider's model. Times are by the clock that the store goes by.
type ModelUsers struct {
	// Owners is how many live owners have told of their use within the window, the one that asks included.
	Owners int
	// Now is when it was asked, and Oldest when the one of them told last that has been silent for longest.
	Now, Oldest time.Time
	// Left is when an owner that lives no more last used it, as far as no later call of UseModel has told so already; zero if none.
	Left time.Time
	// Held is for how long the provider has told any of them to send nothing.
	Held time.Duration
}

// Presence knows whether owners live. It belongs to the backend, because what proves a death does: a kernel lock on one
// machine, a beat that stands still across machines.
type Presence interface {
	// Announce shows the owner as living until release is called or the process dies. It is called before Join.
	Announce(ctx context.Context, id OwnerID) (release func() error, err error)
	// ClaimDead returns dead=true if the owner has provably ended, and then the sole right to settle it until
	// release is called.
	ClaimDead(ctx context.Context, id OwnerID) (release func() error, dead bool, err error)
	// JournalPath is where the owner's journal lies, or empty if this backend keeps none.
	JournalPath(id OwnerID) string
	// Forget removes what is left of a settled owner on disk.
	Forget(id OwnerID) error
}

// Store is a backend.
type Store interface {
	Ledger
	Queue
	Presence
	// Describe returns how the database is named for people, without credentials.
	Describe() string
	Close() error
}
