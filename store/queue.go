package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// ErrCancelled means that the job was cancelled; it takes no more work.
var ErrCancelled = errors.New("store: job is cancelled")

// BusyError says that a batch has a runner, or a detached job a worker, that may be alive.
type BusyError struct{ Runner Owner }

func (e *BusyError) Error() string {
	return fmt.Sprintf("store: job is being run by process %d on %s", e.Runner.PID, e.Runner.Host)
}

// ConflictError says that an item's id is known with another content.
type ConflictError struct{ CustomID string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: item %q is known with a different request", e.CustomID)
}

// JobState is where a job is.
type JobState string

// Job states. A job that is Loading was never accepted; users see it as pending.
const (
	JobLoading   JobState = "loading"
	JobPending   JobState = "pending"
	JobRunning   JobState = "running"
	JobPaused    JobState = "paused"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// Job is a job of any kind: its money is the account JobPrefix + ID.
type Job struct {
	ID     string // "local/nightly": key and name
	Parent string // ID of the parent job, empty for none; never changes
	State  JobState
	Reason string // why it is paused, failed or cancelled
	// Batch jobs have items; Simulated ones must never meet a real provider.
	Batch     bool
	Simulated bool
	// Source names the input file, Fingerprint its content, so that a resumed file need not be compared line by line.
	Source      string
	Fingerprint string
	Runner      OwnerID // of a batch; empty when nobody runs it
	Created     time.Time
	Updated     time.Time
	// PII is what becomes of personal data in the job's requests: "" for what the configuration says, "mask" or "block" for at least that. It never changes.
	PII string
	// Detached batches are worked on by whoever is there, several processes at a time, and have no runner. It never changes.
	Detached bool
}

// KnownItem is an item that was not added because it is there: its index in the call, and the Seq it has.
type KnownItem struct {
	Index int
	Seq   int64
}

// ItemState is where an item is.
type ItemState string

// Item states.
const (
	ItemPending ItemState = "pending"
	ItemRunning ItemState = "running"
	ItemDone    ItemState = "done"
	ItemFailed  ItemState = "failed"
)

// Item is one request of a batch.
type Item struct {
	Seq      int64 // position in the input, from 1
	CustomID string
	URL      string // "/v1/chat/completions"
	Body     []byte // the request as it will be sent, but for fields Aurea owns
	// Lane is what the item waits for, its model: items of one lane are claimed apart from those of others, so that a
	// model with a small limit does not stand in the way of the rest.
	Lane string
	// Attempt counts claims and fences: a completion must name the attempt it was claimed with.
	Attempt int
	// Tries counts attempts at a provider that ended in a retry.
	Tries     int
	NotBefore time.Time
}

// Completion records how an item's attempt ended, in the same transaction as its call. It takes effect only while the item is
// running at the same owner and attempt.
type Completion struct {
	Job     string
	Seq     int64
	Attempt int
	// State is ItemDone, ItemFailed, or ItemPending to put the item back until NotBefore, with Tries raised by one if Tried.
	State     ItemState
	NotBefore time.Time
	Tried     bool
	// Result is nil when State is ItemPending.
	Result *Result
}

// Result is the answer to an item, or why there is none.
type Result struct {
	Seq        int64
	CustomID   string // filled when read
	Status     int    // HTTP status, 0 when no answer came
	RequestID  string
	Body       []byte // the provider's body as it came
	ErrorCode  string // empty for an answered item
	ErrorText  string // redacted
	Truncated  bool   // ended by an output cap that Aurea put in
	CallID     string
	FinishedAt time.Time
}

// ItemCounts are the numbers of a batch's items by state; Running ones count as pending for users.
type ItemCounts struct{ Pending, Running, Done, Failed int64 }

// Total returns the number of items.
func (c ItemCounts) Total() int64 { return c.Pending + c.Running + c.Done + c.Failed }

// ResetFilter chooses items that are to run again.
type ResetFilter string

// Filters for [Queue.ResetItems].
const (
	ResetFailed    ResetFilter = "failed"
	ResetTruncated ResetFilter = "truncated"
)

// Queue is the work. Every method is one transaction, safe for concurrent use and across processes.
type Queue interface {
	// CreateJob writes a job and its account with the limit, or returns the one that is there.
	CreateJob(ctx context.Context, j Job, limit money.Sum) (job Job, created bool, err error)
	// Job returns a job, or ErrNotFound.
	Job(ctx context.Context, id string) (Job, error)
	// Jobs returns jobs, newest first, of one state or (empty) all.
	Jobs(ctx context.Context, state JobState) ([]Job, error)
	// Detached returns the detached jobs that are pending or running, oldest first.
	Detached(ctx context.Context) ([]Job, error)
	// SetJobState moves a job to a state, with a reason for people. A cancelled job stays cancelled: ErrCancelled.
	SetJobState(ctx context.Context, id string, state JobState, reason string, now time.Time) error
	// RemoveJob deletes a job with its items, results and calls' item links; its calls and account stay, because they were paid. A job with a live runner, and a
	// detached one of which a live process has items, is a BusyError.
	RemoveJob(ctx context.Context, id string) error

	// AcquireRunner makes owner the one runner of a batch: a *BusyError if another live owner is. Dead owners must have been settled before.
	AcquireRunner(ctx context.Context, job string, owner OwnerID, now time.Time) error
	// ReleaseRunner gives the batch up and puts back the items that the owner still had.
	ReleaseRunner(ctx context.Context, job string, owner OwnerID, now time.Time) error

	// AddItems appends items to a batch. An item whose CustomID is there already, from an earlier call or earlier in this one, with the same URL and body
	// is left alone and reported as known; with another one it is a *ConflictError and nothing is written. Seq is set by the caller.
	AddItems(ctx context.Context, job string, items []Item) (known []KnownItem, err error)
	// DropItems deletes all items of a job that was never accepted.
	DropItems(ctx context.Context, job string) error
	// Accept makes a loaded batch runnable and notes the fingerprint; from now on it survives anything.
	Accept(ctx context.Context, job, fingerprint string, now time.Time) error

	// Lanes returns the lanes that have pending or running items, sorted.
	Lanes(ctx context.Context, job string) ([]string, error)
	// Claim takes up to limit due items of a lane for a live owner, in input order, each with Attempt raised by one.
	Claim(ctx context.Context, job, lane string, owner OwnerID, limit int, now time.Time) ([]Item, error)
	// Unclaim puts items back that were not sent, not to be claimed again before notBefore (zero: at once); their attempts stay counted.
	Unclaim(ctx context.Context, job string, owner OwnerID, seqs []int64, notBefore time.Time) error
	// ReleaseItems puts back all items of an owner that is dead or gone.
	ReleaseItems(ctx context.Context, owner OwnerID) (int, error)
	// NextDue returns the earliest NotBefore of a lane's pending items; ok is false when none is pending.
	NextDue(ctx context.Context, job, lane string) (due time.Time, ok bool, err error)
	// CountItems counts a batch's items.
	CountItems(ctx context.Context, job string) (ItemCounts, error)
	// LastItem returns the highest Seq of a batch's items, 0 if it has none. It may be above their number: known items leave gaps.
	LastItem(ctx context.Context, job string) (int64, error)
	// ResetItems makes failed or truncated items pending again with no tries; the old result goes.
	ResetItems(ctx context.Context, job string, f ResetFilter) (int, error)
	// Results returns results of done (or, failed=true, failed) items in input order after a sequence number.
	Results(ctx context.Context, job string, failed bool, after int64, limit int) ([]Result, error)
}
