package admin

import (
	"errors"
	"net/http"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// pagesRead is how many pages of the store one answer reads at most while it finds nothing.
const pagesRead = 50

// stored are the states in the books that a job in a shown state can have.
var stored = map[string][]store.JobState{
	"pending": {store.JobLoading, store.JobPending}, "running": {store.JobRunning}, "paused": {store.JobPaused, store.JobRunning},
	"done": {store.JobDone}, "failed": {store.JobFailed}, "cancelled": {store.JobCancelled},
}

type jobPage struct {
	Jobs []jobs.Summary `json:"jobs"`
	Next *string        `json:"next"`
}

func (h *Handler) jobs(w http.ResponseWriter, r *request) error {
	if err := r.only("state", "parent", "limit", "cursor"); err != nil {
		return err
	}
	limit, at, err := r.page()
	if err != nil {
		return err
	}
	var f store.JobFilter
	state := r.query.Get("state")
	if state != "" {
		if f.States = stored[state]; f.States == nil {
			return invalid("state %q: want %s", clip(state), strings.Join(jobs.States, ", "))
		}
	}
	if parent := r.query.Get("parent"); parent != "" {
		f.Parent = jobs.ID(parent)
	}
	books, err := h.books()
	if err != nil {
		return err
	}
	done, err := h.reading(r.Context())
	if err != nil {
		return err
	}
	defer done()
	page, after := jobPage{Jobs: []jobs.Summary{}}, at[0]
	for range pagesRead {
		found, last, err := books.ListJobs(r.Context(), f, after, limit)
		if err != nil {
			return err
		}
		for _, j := range found {
			s, err := jobs.Sum(r.Context(), h.cfg.Store, j)
			if errors.Is(err, store.ErrNotFound) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			if state == "" || s.State == state {
				page.Jobs = append(page.Jobs, s)
			}
		}
		if after = last; last == 0 || len(page.Jobs) > 0 {
			break
		}
	}
	page.Next = next(after, 0)
	return answer(w, page)
}

func (h *Handler) job(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	j, err := h.find(r)
	if err != nil {
		return err
	}
	done, err := h.reading(r.Context())
	if err != nil {
		return err
	}
	defer done()
	v, err := jobs.Show(r.Context(), h.cfg.Store, j.ID)
	if err != nil {
		return err
	}
	return answer(w, v)
}

// find returns the job of the path.
func (h *Handler) find(r *request) (store.Job, error) {
	j, err := h.cfg.Store.Job(r.Context(), jobs.ID(r.job))
	if errors.Is(err, store.ErrNotFound) {
		err = &aurea.Error{Code: aurea.CodeNotFound, Message: "there is no job " + quoted(r.job), Hint: "see " + Prefix + "/jobs", Err: err}
	}
	return j, err
}

func quoted(name string) string { return `"` + clip(name) + `"` }

// change reads the body of a change of a job, and finds the job.
func (h *Handler) change(w http.ResponseWriter, r *request, into any) (store.Job, error) {
	if err := r.only(); err != nil {
		return store.Job{}, err
	}
	if err := r.read(w, into); err != nil {
		return store.Job{}, err
	}
	if _, err := h.books(); err != nil {
		return store.Job{}, err // there is no trail to note it in
	}
	return h.find(r)
}

type cancelled struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

func (h *Handler) cancel(w http.ResponseWriter, r *request) error {
	var in struct {
		Reason string `json:"reason"`
	}
	j, err := h.change(w, r, &in)
	if err != nil {
		return err
	}
	if len(in.Reason) > 200 {
		return invalid("the reason is longer than 200 bytes")
	}
	if in.Reason == "" {
		in.Reason = "cancelled by hand"
	}
	if err := r.who.Cancel(r.Context(), j, in.Reason); err != nil {
		return err
	}
	h.log(r, jobs.ActionCancel, j.ID)
	return answer(w, cancelled{aurea.ShortName(j.ID), string(store.JobCancelled)})
}

type raised struct {
	ID    string    `json:"id"`
	Limit money.Sum `json:"limit_usd"`
	Note  string    `json:"note"`
}

func (h *Handler) raise(w http.ResponseWriter, r *request) error {
	var in struct {
		MaxCost *string `json:"max_cost_usd"`
		// Present, if given, is the limit that the caller saw: another one is a conflict.
		Present *string `json:"present_usd"`
	}
	j, err := h.change(w, r, &in)
	if err != nil {
		return err
	}
	if in.MaxCost == nil {
		return invalid("max_cost_usd is missing: the new total in dollars, such as \"2.50\"")
	}
	limit, err := money.ParseSum(*in.MaxCost)
	if err != nil {
		return invalid("max_cost_usd %s: want dollars as decimal text such as \"2.50\", at most 7 digits before and 12 after the point", quoted(*in.MaxCost))
	}
	var expected *money.Sum
	if in.Present != nil {
		present, err := money.ParseSum(*in.Present)
		if err != nil {
			return invalid("present_usd %s: want dollars as decimal text such as \"2.50\"", quoted(*in.Present))
		}
		expected = &present
	}
	done, err := r.who.Raise(r.Context(), j, limit, expected)
	if err != nil {
		return err
	}
	h.log(r, jobs.ActionRaise, j.ID)
	return answer(w, raised{aurea.ShortName(j.ID), done.Limit, done.Note})
}

type reconciled struct {
	ID    string    `json:"id"`
	Ended money.Sum `json:"reconciled_usd"`
	Spent bool      `json:"spent"`
}

func (h *Handler) reconcile(w http.ResponseWriter, r *request) error {
	var in struct {
		Spent *bool `json:"spent"`
	}
	j, err := h.change(w, r, &in)
	if err != nil {
		return err
	}
	if in.Spent == nil {
		return invalid("spent is missing: true if the provider billed it, false if he did not")
	}
	if err := h.cfg.Flush(r.Context()); err != nil {
		return err
	}
	ended, err := r.who.Reconcile(r.Context(), j, *in.Spent)
	if err != nil {
		return err
	}
	h.log(r, jobs.ActionReconcile, j.ID)
	return answer(w, reconciled{aurea.ShortName(j.ID), ended, *in.Spent})
}

// log says that something was changed.
func (h *Handler) log(r *request, action, subject string) {
	h.cfg.Logger.Info("admin API: changed", "action", action, "subject", subject, "actor", r.who.Actor, "remote", r.who.Remote)
}

type auditPage struct {
	Changes []auditRow `json:"changes"`
	Next    *string    `json:"next"`
}

func (h *Handler) audit(w http.ResponseWriter, r *request) error {
	if err := r.only("limit", "cursor"); err != nil {
		return err
	}
	limit, at, err := r.page()
	if err != nil {
		return err
	}
	books, err := h.books()
	if err != nil {
		return err
	}
	changes, after, err := books.Changes(r.Context(), at[0], limit)
	if err != nil {
		return err
	}
	page := auditPage{Changes: []auditRow{}, Next: next(after, 0)}
	for _, c := range changes {
		page.Changes = append(page.Changes, auditRow{
			ID: c.ID, At: c.At, Actor: c.Actor, Remote: c.Remote, Action: c.Action, Subject: aurea.ShortName(c.Subject), Before: raw(c.Before), After: raw(c.After), Outcome: c.Outcome,
		})
	}
	return answer(w, page)
}
