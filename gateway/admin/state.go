package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
)

// reading waits for leave to read much: the readers of a database are few, and calls need them too.
func (h *Handler) reading(ctx context.Context) (done func(), err error) {
	select {
	case h.readers <- struct{}{}:
		return func() { <-h.readers }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

type auditRow struct {
	ID      int64          `json:"id"`
	At      time.Time      `json:"at"`
	Actor   string         `json:"actor"`
	Remote  string         `json:"remote"`
	Action  string         `json:"action"`
	Subject string         `json:"subject"`
	Before  jsontext.Value `json:"before"`
	After   jsontext.Value `json:"after"`
	Outcome string         `json:"outcome"`
}

// raw is a JSON text of the trail; null if it has none.
func raw(text string) jsontext.Value {
	if text == "" || !jsontext.Value(text).IsValid() {
		return jsontext.Value("null")
	}
	return jsontext.Value(text)
}

type spending struct {
	By    []string   `json:"by"`
	Spend []spendRow `json:"spend"`
	Total money.Sum  `json:"total_usd"`
}

type spendRow struct {
	Day        *string   `json:"day"`
	Job        *string   `json:"job"`
	Model      *string   `json:"model"`
	Attempts   int64     `json:"attempts"`
	Input      int64     `json:"input_tokens"`
	CacheRead  int64     `json:"cache_read_tokens"`
	CacheWrite int64     `json:"cache_write_tokens"`
	Output     int64     `json:"output_tokens"`
	Cost       money.Sum `json:"cost_usd"`
}

func (h *Handler) spend(w http.ResponseWriter, r *request) error {
	if err := r.only("by", "job", "provider", "model", "from", "to"); err != nil {
		return err
	}
	out := spending{By: []string{"day"}, Spend: []spendRow{}}
	if by := r.query.Get("by"); by != "" {
		out.By = strings.Split(by, ",")
	}
	for i, one := range out.By {
		if !slices.Contains([]string{"job", "model", "day"}, one) || slices.Contains(out.By[:i], one) {
			return invalid("by %s: want some of job, model and day, with commas between", quoted(r.query.Get("by")))
		}
	}
	f, err := r.filter()
	if err != nil {
		return err
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
	by := store.SpendBy{Job: slices.Contains(out.By, "job"), Model: slices.Contains(out.By, "model"), Day: slices.Contains(out.By, "day")}
	sums, err := books.SpendSums(r.Context(), f, by, maxSums)
	if err != nil {
		return err
	}
	for _, s := range sums {
		row := spendRow{
			Attempts: s.Attempts, Input: s.InputTokens, CacheRead: s.CacheReadTokens, CacheWrite: s.CacheWriteTokens, Output: s.OutputTokens, Cost: s.Cost,
		}
		day, job := s.Day.Format(time.DateOnly), aurea.ShortName(s.Job)
		if by.Day {
			row.Day = &day
		}
		if by.Job {
			row.Job = &job
		}
		if by.Model {
			row.Model = &s.Model
		}
		out.Spend, out.Total = append(out.Spend, row), out.Total.Plus(s.Cost)
	}
	return answer(w, out)
}

type limitList struct {
	Limits []limitView `json:"limits"`
}

// limitView is one limiter, of a provider's model and key.
type limitView struct {
	Provider   string     `json:"provider"`
	Model      string     `json:"model"`
	Key        int        `json:"key"`
	Configured allowance  `json:"configured"`
	InForce    allowance  `json:"in_force"` // with what was learned from the provider's answers
	LastMinute lastMinute `json:"last_minute"`
	InFlight   int        `json:"in_flight"`
	Waiting    int        `json:"waiting"`
	Held       float64    `json:"held_seconds"`
	Admitted   int64      `json:"admitted"`
	Used       float64    `json:"utilisation"`
}

type lastMinute struct {
	Requests int64 `json:"requests"`
	Tokens   int64 `json:"tokens"`
}

// allowance is what a provider lets through; null is no limit.
type allowance struct {
	RPM         *int64 `json:"rpm"`
	TPM         *int64 `json:"tpm"`
	InputTPM    *int64 `json:"input_tpm"`
	OutputTPM   *int64 `json:"output_tpm"`
	RPD         *int64 `json:"rpd"`
	TPD         *int64 `json:"tpd"`
	Concurrency *int64 `json:"concurrency"`
}

func allow(l ratelimit.Limits) allowance {
	n := func(v int64) *int64 {
		if v == 0 {
			return nil
		}
		return &v
	}
	return allowance{n(l.RPM), n(l.TPM), n(l.InputTPM), n(l.OutputTPM), n(l.RPD), n(l.TPD), n(l.Concurrency)}
}

func (h *Handler) limits(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	list := limitList{Limits: []limitView{}}
	for _, l := range h.cfg.Orchestrator.Status().Limits {
		u := l.Usage
		list.Limits = append(list.Limits, limitView{
			Provider: l.Provider, Model: l.Model, Key: l.Key, Configured: allow(u.Configured), InForce: allow(u.Limits), LastMinute: lastMinute{u.Requests, u.Tokens},
			InFlight: u.Flight, Waiting: u.Waiting, Held: u.Held.Seconds(), Admitted: u.Admitted, Used: u.Utilisation,
		})
	}
	return answer(w, list)
}

type breakerList struct {
	Breakers []breakerView `json:"breakers"`
}

type breakerView struct {
	Provider  string     `json:"provider"`
	Model     string     `json:"model"`
	State     string     `json:"state"`
	Failures  int        `json:"failure_count"`
	Successes int        `json:"success_count"`
	Threshold int        `json:"failure_threshold"`
	Timeout   float64    `json:"timeout"`
	Opened    *time.Time `json:"opened_at"`
	Failed    *time.Time `json:"last_failure_time"`
}

func (h *Handler) circuits() breakerList {
	list := breakerList{Breakers: []breakerView{}}
	for _, b := range h.cfg.Orchestrator.Status().Breakers {
		list.Breakers = append(list.Breakers, breakerView{
			Provider: b.Provider, Model: b.Model, State: string(b.State), Failures: b.FailureCount, Successes: b.SuccessCount, Threshold: b.FailureThreshold,
			Timeout: b.Timeout, Opened: b.OpenedAt, Failed: b.LastFailureTime,
		})
	}
	return list
}

func (h *Handler) breakers(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	return answer(w, h.circuits())
}

// reset closes one circuit, or all of them if the body names none.
func (h *Handler) reset(w http.ResponseWriter, r *request) error {
	if err := r.only(); err != nil {
		return err
	}
	var in struct {
		Provider string `json:"provider"`
		Model    string `json:"model"`
		All      bool   `json:"all"`
	}
	if err := r.read(w, &in); err != nil {
		return err
	}
	if in.All == (in.Provider != "" || in.Model != "") || !in.All && in.Model == "" {
		return invalid("want the provider and the model of one circuit, or \"all\": true")
	}
	if _, err := h.books(); err != nil {
		return err // there is no trail to note it in
	}
	var before []breakerView
	subject := "all"
	if !in.All {
		subject = in.Provider + "/" + in.Model
	}
	for _, b := range h.circuits().Breakers {
		if (in.All || b.Provider == in.Provider && b.Model == in.Model) && len(before) < 100 && (b.State != string(breaker.Closed) || !in.All) {
			before = append(before, b)
		}
	}
	if !in.All && len(before) == 0 {
		return &aurea.Error{Code: aurea.CodeNotFound, Message: "there is no circuit " + quoted(subject), Hint: "see " + Prefix + "/breakers"}
	}
	err := r.who.Note(r.Context(), jobs.ActionBreaker, subject, before, map[string]string{"state": string(breaker.Closed)}, func() (any, error) {
		if in.All {
			h.cfg.Orchestrator.Reset()
		} else {
			h.cfg.Orchestrator.ResetBreaker(in.Provider, in.Model)
		}
		return nil, nil //nolint:nilnil // what is wanted is what it becomes
	})
	if err != nil {
		return err
	}
	h.log(r, jobs.ActionBreaker, subject)
	return answer(w, h.circuits())
}
