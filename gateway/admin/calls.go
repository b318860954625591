package admin

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// callView is a row of the books: one attempt, or what was booked of one later.
type callView struct {
	ID         string     `json:"id"`
	Attempt    int        `json:"attempt"`
	Settlement bool       `json:"settlement"` // the row ends what the attempt left unconfirmed
	Job        string     `json:"job"`
	Item       int64      `json:"item"`
	Provider   string     `json:"provider"`
	Model      string     `json:"model"`
	Upstream   string     `json:"upstream"`
	API        string     `json:"api"`
	Status     int        `json:"status"`
	Outcome    string     `json:"outcome"`
	Error      string     `json:"error"`
	Input      int64      `json:"input_tokens"`
	CacheRead  int64      `json:"cache_read_tokens"`
	CacheWrite int64      `json:"cache_write_tokens"`
	Output     int64      `json:"output_tokens"`
	Reasoning  int64      `json:"reasoning_tokens"`
	Cost       money.USD  `json:"cost_usd"`
	Own        money.USD  `json:"own_usd"`
	Doubt      money.USD  `json:"unconfirmed_usd"` // as it was booked; what has been reconciled since is in rows of its own
	Bound      money.USD  `json:"bound_usd"`
	BoundKind  string     `json:"bound_kind"`
	PriceHash  string     `json:"price_hash"`
	PriceFrom  string     `json:"price_from"`
	RequestID  string     `json:"request_id"`
	Started    *time.Time `json:"started_at"`
	Ended      *time.Time `json:"ended_at"`
}

func viewCall(c *store.Call) callView {
	v := callView{
		ID: c.ID, Attempt: c.Attempt, Job: aurea.ShortName(c.Job), Item: c.Item, Provider: c.Provider, Model: c.Model, Upstream: c.Upstream, API: c.API,
		Status: c.Status, Outcome: c.Outcome, Error: c.Error, Input: c.InputTokens, CacheRead: c.CacheReadTokens, CacheWrite: c.CacheWriteTokens,
		Output: c.OutputTokens, Reasoning: c.ReasoningTokens, Cost: c.Cost, Own: c.Own, Doubt: c.Doubt, Bound: c.Bound, BoundKind: c.BoundKind,
		PriceHash: c.PriceHash, PriceFrom: c.PriceFrom, RequestID: c.RequestID, Started: moment(c.Started), Ended: moment(c.Ended),
	}
	if c.Attempt < 0 {
		v.Attempt, v.Settlement = ^c.Attempt, true
	}
	if c.Own == 0 {
		v.Own = c.Cost
	}
	return v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type callPage struct {
	Calls []callView `json:"calls"`
	Next  *string    `json:"next"`
}

// readPages reads pages of calls until one has rows, or there are no more, or enough was looked through.
func (h *Handler) readPages(r *request, f store.CallFilter, after store.CallMark, limit int) (calls []store.Call, next store.CallMark, err error) {
	books, err := h.books()
	if err != nil {
		return nil, next, err
	}
	done, err := h.reading(r.Context())
	if err != nil {
		return nil, next, err
	}
	defer done()
	for range pagesRead {
		if calls, next, err = books.ListCalls(r.Context(), f, after, limit); err != nil || len(calls) > 0 || next == (store.CallMark{}) {
			return calls, next, err
		}
		after = next
	}
	return nil, next, nil
}

func (h *Handler) calls(w http.ResponseWriter, r *request) error {
	if err := r.only("job", "provider", "model", "status", "outcome", "from", "to", "limit", "cursor"); err != nil {
		return err
	}
	limit, at, err := r.page()
	if err != nil {
		return err
	}
	f, err := r.filter()
	if err != nil {
		return err
	}
	var after store.CallMark
	if after.Row = at[1]; at[0] != 0 {
		after.Started = time.Unix(0, at[0]).UTC()
	}
	if after.Row < 1 && r.query.Get("cursor") != "" {
		return invalid("cursor %s: want the next of the page before", quoted(r.query.Get("cursor")))
	}
	calls, to, err := h.readPages(r, f, after, limit)
	if err != nil {
		return err
	}
	page := callPage{Calls: make([]callView, 0, len(calls))}
	for i := range calls {
		page.Calls = append(page.Calls, viewCall(&calls[i]))
	}
	if to.Row != 0 {
		started := int64(0)
		if !to.Started.IsZero() {
			started = to.Started.UnixNano()
		}
		page.Next = next(started, to.Row)
	}
	return answer(w, page)
}

var csvColumns = []string{
	"id", "attempt", "settlement", "job", "item", "provider", "model", "upstream", "api", "status", "outcome", "error", "input_tokens", "cache_read_tokens",
	"cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_usd", "own_usd", "unconfirmed_usd", "bound_usd", "bound_kind", "price_hash", "price_from", "request_id",
	"started_at", "ended_at",
}

// callsCSV writes all calls that are meant, page after page, in the memory of one. A client that reads slowly holds nothing of the store.
func (h *Handler) callsCSV(w http.ResponseWriter, r *request) error {
	if err := r.only("job", "provider", "model", "status", "outcome", "from", "to"); err != nil {
		return err
	}
	f, err := r.filter()
	if err != nil {
		return err
	}
	control := http.NewResponseController(w)
	out := csv.NewWriter(w)
	began := false
	for after := (store.CallMark{}); ; {
		calls, next, err := h.readPages(r, f, after, pageMost)
		switch {
		case err != nil && began:
			h.cfg.Logger.Error("admin API: an export was cut off", "error", err)
			panic(http.ErrAbortHandler) // a file that just ended would look whole
		case err != nil:
			return err
		}
		_ = control.SetWriteDeadline(time.Now().Add(slowClient)) // not every server has one
		if !began {
			began = true
			w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
			w.Header().Set("Content-Disposition", `attachment; filename="calls.csv"`)
			_ = out.Write(csvColumns) // the writer keeps its first error
		}
		for i := range calls {
			_ = out.Write(csvRow(viewCall(&calls[i]))) // as above
		}
		if out.Flush(); out.Error() != nil {
			return errLeft
		}
		if after = next; next == (store.CallMark{}) {
			return nil
		}
	}
}

func csvRow(v callView) []string {
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	return []string{
		cell(v.ID), strconv.Itoa(v.Attempt), strconv.FormatBool(v.Settlement), cell(v.Job), n(v.Item), cell(v.Provider), cell(v.Model), cell(v.Upstream), cell(v.API),
		strconv.Itoa(v.Status), cell(v.Outcome), cell(v.Error), n(v.Input), n(v.CacheRead), n(v.CacheWrite), n(v.Output), n(v.Reasoning), v.Cost.String(), v.Own.String(),
		v.Doubt.String(), v.Bound.String(), cell(v.BoundKind), cell(v.PriceHash), cell(v.PriceFrom), cell(v.RequestID), at(v.Started), at(v.Ended),
	}
}

// cell keeps a text from being a formula where a table is opened in a spreadsheet (https://owasp.org/www-community/attacks/CSV_Injection): clients choose the names of
// models, and providers the ids of requests. Characters that end a cell early for some programs become blanks.
func cell(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text)
	if strings.IndexAny(strings.TrimLeft(text, " \u00a0\u3000'\""), "=+-@＝＋－＠|%") == 0 {
		return "'" + text
	}
	return text
}
