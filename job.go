package aurea

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// LocalKey owns the jobs of the command line and of installations without virtual keys.
	LocalKey = "local"
	// simulatedKey carries rehearsals, so that their play money is not counted as spent by anybody.
	simulatedKey = "simulated"
	// maxDepth is how many jobs may stand above one another, the job itself included.
	maxDepth = 8
)

var jobName = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// Job is an open job: calls are charged to it and to every account above it. It is safe for concurrent use.
type Job struct {
	// ID is key/name.
	ID   string
	o    *Orchestrator
	path *budget.Path
	made time.Time // tells it from a removed job of the same name
	pii  PII       // the strictest of its own and its parents'
}

// Path returns the accounts that the job's calls draw on.
func (j *Job) Path() *budget.Path { return j.path }

// Within reports whether the job's calls draw on the job of the same key with that name: it is that job, or below it.
func (j *Job) Within(name string) bool {
	key, _, _ := cutKey(j.ID)
	return j.path.Through(store.JobPrefix + key + "/" + name)
}

// JobSpec asks for a job.
type JobSpec struct {
	// Key and Name make the ID; Key defaults to [LocalKey].
	Key, Name string
	// Limit is the job's limit when it is made, nil for the default. For a job that is there it may not be above the present limit.
	Limit *money.Sum
	// PerDay makes Limit hold for each UTC day, and nothing for the job as a whole.
	PerDay bool
	// Parent is the name of the job of the same key that this one draws on as well. It is fixed when the job is made.
	Parent string
	// Batch jobs have items; simulated ones never meet a real provider.
	Batch, Simulated bool
	// Source names a batch's input file.
	Source string
	// Detached is for a batch that whoever is there works on: see batch.Worker. It is fixed when the job is made.
	Detached bool
	// PII is what becomes of personal data in all calls of the job and of those below it, if that is stricter than what the configuration says. It is kept with the job when it is made; a job that
	// is there is not changed by a stricter value, which holds for the Job that is returned.
	PII PII
}

// Job returns the job of the local key with that name, creating it with the limit if it is not there: the short form of [Orchestrator.OpenJob]. Amounts are written
// as in 5*aurea.Dollar or 50*aurea.Cent.
func (o *Orchestrator) Job(id string, maxCost USD) (*Job, error) {
	limit := money.SumOf(maxCost)
	return o.OpenJob(context.Background(), JobSpec{Name: id, Limit: &limit})
}

// owns refuses a call whose job is none of the orchestrator's: its money is elsewhere.
func (o *Orchestrator) owns(job *Job) error {
	switch {
	case job == nil:
		return &Error{Code: CodeInvalidRequest, Message: "the call has no job", Hint: "set Call.Job to one of Orchestrator.Job's"}
	case job.o == nil || job.o.money != o.money:
		return &Error{Code: CodeInvalidRequest, Message: "the call's job belongs to another orchestrator", Hint: "open it with this one"}
	}
	return nil
}

// Job returns a job below this one: what it spends counts against both, and its limit may be larger than what is left here.
func (j *Job) Job(id string, maxCost USD) (*Job, error) {
	key, name, _ := cutKey(j.ID)
	limit := money.SumOf(maxCost)
	return j.o.OpenJob(context.Background(), JobSpec{Key: key, Name: id, Parent: name, Limit: &limit})
}

// OpenJob returns the job, creating it if it is not there. A larger limit, another parent or another kind than the job has is CodeJobConflict, and a
// cancelled job is CodeJobCancelled.
func (o *Orchestrator) OpenJob(ctx context.Context, spec JobSpec) (*Job, error) {
	if spec.Key == "" {
		spec.Key = LocalKey
	}
	if spec.Limit != nil && spec.Limit.Negative() {
		return nil, &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf("job %q: a limit of %s dollars", spec.Name, spec.Limit), Hint: "0 lets nothing be spent"}
	}
	for _, name := range []string{spec.Key, spec.Name} {
		if !jobName.MatchString(name) {
			return nil, &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf("job name %q: want 1 to 128 characters of A-Z a-z 0-9 . _ : -", name)}
		}
	}
	if err := spec.PII.check(); err != nil {
		return nil, err
	}
	want := store.Job{
		ID: spec.Key + "/" + spec.Name, State: store.JobPending, Batch: spec.Batch, Simulated: spec.Simulated, Source: spec.Source, Detached: spec.Detached,
		Created: time.Now(), PII: string(stricter("", spec.PII)),
	}
	if spec.Batch {
		want.State = store.JobLoading
	}
	if spec.Parent != "" {
		want.Parent = spec.Key + "/" + spec.Parent
	}
	above, pii, err := o.above(ctx, want.Parent)
	if err != nil {
		return nil, err
	}
	limit := o.settings.Load().jobLimit
	if spec.Limit != nil {
		limit = *spec.Limit
	}
	perDay := limit
	if spec.PerDay {
		limit, spec.Limit = money.Unlimited, nil
	}
	have, created, err := o.store.CreateJob(ctx, want, limit)
	if err != nil {
		return nil, storeFailed(err)
	}
	if !created {
		if err := o.agrees(ctx, have, want, spec); err != nil {
			return nil, err
		}
		if above, pii, err = o.above(ctx, have.Parent); err != nil {
			return nil, err
		}
	}
	accounts := []budget.AccountSpec{{Name: store.JobPrefix + have.ID, Limit: limit}}
	if spec.PerDay {
		accounts = append(accounts, budget.AccountSpec{Name: store.JobPrefix + have.ID, Limit: perDay, Period: budget.Day})
	}
	accounts = append(accounts, above...)
	for _, name := range SharedAccounts(have) {
		accounts = append(accounts, budget.AccountSpec{Name: name, Limit: money.Unlimited})
	}
	path, err := o.money.Path(ctx, accounts...)
	if err != nil {
		return nil, storeFailed(err)
	}
	if o.everything.Load() == nil {
		if all, err := o.money.Path(ctx, budget.AccountSpec{Name: store.AccountGlobal, Limit: money.Unlimited}); err == nil { // or with the next job
			o.everything.Store(all)
		}
	}
	pii = stricter(stricter(pii, PII(have.PII)), spec.PII)
	return &Job{ID: have.ID, o: o, path: path, made: have.Created, pii: pii}, nil
}

// above returns the accounts of a job's parents, nearest first, and the strictest of what they say of personal data.
func (o *Orchestrator) above(ctx context.Context, parent string) (accounts []budget.AccountSpec, pii PII, err error) {
	for depth := 2; parent != ""; depth++ {
		if depth > maxDepth {
			return nil, "", &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf("jobs are nested deeper than %d", maxDepth)}
		}
		j, err := o.store.Job(ctx, parent)
		if errors.Is(err, store.ErrNotFound) {
			return nil, "", &Error{
				Code: CodeNotFound, Message: fmt.Sprintf("parent job %q does not exist", ShortName(parent)), Hint: "create the parent first", Err: err,
			}
		}
		if err != nil {
			return nil, "", storeFailed(err)
		}
		if j.State == store.JobCancelled {
			return nil, "", &Error{Code: CodeJobCancelled, Message: fmt.Sprintf("parent job %q is cancelled", ShortName(parent))}
		}
		accounts = append(accounts, budget.AccountSpec{Name: store.JobPrefix + j.ID, Limit: money.Unlimited})
		pii = stricter(pii, PII(j.PII))
		parent = j.Parent
	}
	return accounts, pii, nil
}

// agrees checks that an existing job is what was asked for.
func (o *Orchestrator) agrees(ctx context.Context, have, want store.Job, spec JobSpec) error {
	name := ShortName(have.ID)
	conflict := func(hint, format string, args ...any) error {
		return &Error{Code: CodeJobConflict, Message: fmt.Sprintf("job %q ", name) + fmt.Sprintf(format, args...), Hint: hint}
	}
	switch {
	case have.State == store.JobCancelled:
		return &Error{Code: CodeJobCancelled, Message: fmt.Sprintf("job %q is cancelled", name), Hint: "choose another --job, or start over with --new"}
	case have.Simulated != want.Simulated && have.Simulated:
		return conflict("choose another --job, or start over with --new", "is a rehearsal; it cannot go on with real providers")
	case have.Simulated != want.Simulated:
		return conflict("choose another --job", "is real; it cannot go on as a rehearsal")
	case have.Batch != want.Batch:
		return conflict("choose another --job", "is of another kind (batch: %t)", have.Batch)
	case have.Detached && !want.Detached && want.Batch:
		return conflict("follow it with aurea jobs watch "+name, "is detached: workers run it")
	case want.Detached && !have.Detached:
		return conflict("choose another --job, or start over with --new", "was made without --detach")
	case want.Parent != "" && have.Parent != want.Parent:
		return conflict("a parent is fixed when the job is made", "has the parent %q", ShortName(have.Parent))
	}
	if spec.Limit == nil {
		return nil
	}
	c, err := o.store.FindCounter(ctx, store.JobPrefix+have.ID, time.Time{})
	if err != nil {
		return storeFailed(err)
	}
	if spec.Limit.Cmp(c.Limit) > 0 {
		return conflict(fmt.Sprintf("aurea jobs raise %s --max-cost %s", name, spec.Limit), "has a limit of %s USD", c.Limit)
	}
	return nil
}

// ShortName returns a job's ID as people of the local key write it: without "local/".
func ShortName(id string) string { return strings.TrimPrefix(id, LocalKey+"/") }

func cutKey(id string) (key, name string, ok bool) { return strings.Cut(id, "/") }
