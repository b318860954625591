package store

import (
	"context"
	"errors"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// ErrTooMany says that an answer would have more rows than its caller can take; ask for less time, or for fewer kinds.
var ErrTooMany = errors.New("store: too many rows")

// JobFilter says which jobs are meant. The zero value means all.
type JobFilter struct {
	States []JobState // any of these; empty: all
	Parent string     // ID of the job that they stand directly below; empty: any
}

// CallFilter says which call rows are meant. The zero value means all.
type CallFilter struct {
	Job      string    // ID; empty: any
	Provider string    // empty: any
	Model    string    // as requested; empty: any
	Status   int       // the provider's HTTP status; 0: any
	Outcome  string    // empty: any
	From, To time.Time // began at From or later, and before To; zero: ever
}

// CallMark is a place between call rows. The zero value is before the first of a list.
type CallMark struct {
	Started time.Time
	Row     int64
}

// SpendBy says what spending is summed by.
type SpendBy struct{ Job, Model, Day bool }

// SpendSum is what the call rows of one job, model and day add up to. What is not summed by is empty.
type SpendSum struct {
	Day        time.Time // midnight in UTC of when the attempts began
	Job, Model string    // as in [Call]

	Attempts                                                     int64
	InputTokens, CacheReadTokens, CacheWriteTokens, OutputTokens int64 // input without what the cache read and wrote
	Cost                                                         money.Sum
}

// Add adds another sum's figures.
func (s *SpendSum) Add(o SpendSum) {
	s.Attempts += o.Attempts
	s.InputTokens += o.InputTokens
	s.CacheReadTokens += o.CacheReadTokens
	s.CacheWriteTokens += o.CacheWriteTokens
	s.OutputTokens += o.OutputTokens
	s.Cost = s.Cost.Plus(o.Cost)
}

// Change is a row of the trail: somebody changed something by hand, or tried to.
type Change struct {
	ID      int64
	At      time.Time
	Actor   string // who: a key's name, "local"; never a secret
	Remote  string // from where, an address; may be empty
	Action  string // such as "job.raise"
	Subject string // what was changed, such as a job's ID
	Before  string // JSON text, may be empty
	After   string // JSON text: what it became, or while the change is under way what is wanted
	Outcome string // [ChangeBegun], [ChangeDone], or the code of the error it failed with
}

// Outcomes of a [Change].
const (
	// ChangeBegun stays if the process ended before it could write what became of the change: look whether it is done.
	ChangeBegun = "begun"
	ChangeDone  = "done"
)

// Books is what an operator's tools read, page by page, and the trail of what they changed. Every method is one snapshot or one transaction, reads a bounded
// number of rows, and needs memory for one page only. The stores of this module have it beside [Store].
type Books interface {
	// ListJobs returns up to limit jobs, newest first. after is 0 at first, then what next was; next is 0 at the end. A page may be short, or empty, before the end.
	ListJobs(ctx context.Context, f JobFilter, after int64, limit int) (jobs []Job, next int64, err error)
	// ListCalls returns up to limit call rows, newest first: by when they began, and within one job by when they were written. It pages as ListJobs does.
	ListCalls(ctx context.Context, f CallFilter, after CallMark, limit int) (calls []Call, next CallMark, err error)
	// SpendSums returns sums over the rows, by day, job and model, sorted. More than most of them are ErrTooMany. It reads every row that the filter's job and
	// times leave, in the time of a scan.
	SpendSums(ctx context.Context, f CallFilter, by SpendBy, most int) ([]SpendSum, error)

	// PutChange writes a row of the trail and returns its ID; with the ID of one that is there it sets After and Outcome, and nothing else.
	PutChange(ctx context.Context, c Change) (id int64, err error)
	// Changes returns rows of the trail, newest first. It pages as ListJobs does.
	Changes(ctx context.Context, after int64, limit int) (changes []Change, next int64, err error)
}

// Has reports whether a row is meant.
func (f CallFilter) Has(c *Call) bool {
	return (f.Job == "" || f.Job == c.Job) && (f.Provider == "" || f.Provider == c.Provider) && (f.Model == "" || f.Model == c.Model) &&
		(f.Status == 0 || f.Status == c.Status) && (f.Outcome == "" || f.Outcome == c.Outcome) &&
		(f.From.IsZero() || !c.Started.Before(f.From)) && (f.To.IsZero() || c.Started.Before(f.To))
}

// Day returns the day that a row counts for: of when it began, or if that is not known, of when it ended.
func (c *Call) Day() time.Time {
	at := c.Started
	if at.IsZero() {
		at = c.Ended
	}
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	return at.UTC().Truncate(24 * time.Hour)
}
