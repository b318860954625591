package simulate

import (
	"strconv"
	"time"
)

// Stats is what a server has served since it started or was reset, and its bill. Money is exact: decimal text in dollars and in pico-dollars.
type Stats struct {
	Totals
	// InFlight is how many requests are under way, PeakInFlight the most there were.
	InFlight     int64 `json:"in_flight"`
	PeakInFlight int64 `json:"peak_in_flight"`
	// FirstAt and LastAt are when the first and the last request came.
	FirstAt time.Time `json:"first_at,omitzero"`
	LastAt  time.Time `json:"last_at,omitzero"`
	// ByModel has the requests that named a model. Beyond a thousand names the rest are together as "(others)".
	ByModel map[string]Totals `json:"by_model"`
	// Distinct is how many different bodies came, Repeats how often those came that came more than once, by hash. With Options.Detail only.
	Distinct int64            `json:"distinct,omitempty"`
	Repeats  map[string]int64 `json:"repeats,omitempty"`
	// Log lists the requests in the order of their arrival. With Options.Detail only.
	Log []Logged `json:"log,omitempty"`
}

// Totals are counts of requests. Each ends once, so Requests is the sum of ByStatus and what is in flight.
type Totals struct {
	Requests int64 `json:"requests"`
	// OK are the answers that were generated and are charged, Answered those of them that were sent to their end.
	OK       int64 `json:"ok"`
	Answered int64 `json:"answered"`
	// Limited are the requests that a limit refused: not the 429 of scripts and of Options.Fail.
	Limited int64 `json:"limited"`
	// ByStatus has the status lines sent; "none" are requests that never got one.
	ByStatus map[string]int64 `json:"by_status"`
	// InputTokens and OutputTokens are those charged. Input includes what was read from and written to a cache.
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	CostUSD      string `json:"cost_usd"`
	CostPico     string `json:"cost_pico"`
}

// Logged is one request.
type Logged struct {
	At time.Time `json:"at"`
	// Hash is of the body, Marker the text between [[ and ]] in it, if it has one, else its "user" or the Idempotency-Key.
	Hash     string `json:"hash"`
	Marker   string `json:"marker,omitempty"`
	Endpoint string `json:"endpoint"`
	Model    string `json:"model"`
	Limited  bool   `json:"limited,omitempty"`
	// EndedAt is zero while the request is under way; Status is 0 if it never got a status line.
	EndedAt time.Time `json:"ended_at,omitzero"`
	Status  int       `json:"status"`
	// Answered says that a generated answer was sent to its end.
	Answered     bool   `json:"answered"`
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	CostPico     string `json:"cost_pico"`
}

const (
	maxModels   = 1000
	otherModels = "(others)"
)

// tally counts the requests of one model, or of all.
type tally struct {
	requests, ok, answered, limited int64
	status                          [600]int64 // 0 is none
	in, out                         int64
	cost                            money
}

func (t *tally) totals() Totals {
	out := Totals{
		Requests: t.requests, OK: t.ok, Answered: t.answered, Limited: t.limited, ByStatus: make(map[string]int64),
		InputTokens: t.in, OutputTokens: t.out, CostUSD: t.cost.text(), CostPico: t.cost.picoText(),
	}
	for code, n := range t.status {
		switch {
		case n == 0:
		case code == 0:
			out.ByStatus["none"] = n
		default:
			out.ByStatus[strconv.Itoa(code)] = n
		}
	}
	return out
}

// counts are all statistics since the last reset.
type counts struct {
	all         tally
	byModel     map[string]*tally
	peak        int64
	first, last time.Time
	log         []*record
	bodies      map[uint64]int64
}

type record struct {
	Logged
	cost money
}

func newCounts() counts {
	return counts{byModel: make(map[string]*tally), bodies: make(map[uint64]int64)}
}

func (c *counts) model(name string) *tally {
	t := c.byModel[name]
	if t != nil {
		return t
	}
	if len(c.byModel) >= maxModels {
		name = otherModels
		if t = c.byModel[name]; t != nil {
			return t
		}
	}
	t = new(tally)
	c.byModel[name] = t
	return t
}

// each calls change for the totals of all models and of one; model may be empty.
func (c *counts) each(model string, change func(*tally)) {
	change(&c.all)
	if model != "" {
		change(c.model(model))
	}
}

// arrived counts a request. r is nil if it could not be read.
func (c *counts) arrived(r *request, now time.Time) {
	if c.first.IsZero() {
		c.first = now
	}
	c.last = now
	c.all.requests++
	if r != nil {
		c.model(r.model).requests++
	}
}

// Stats returns what was served so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	out := Stats{
		Totals: c.all.totals(), InFlight: s.flight, PeakInFlight: c.peak, FirstAt: c.first, LastAt: c.last,
		ByModel: make(map[string]Totals, len(c.byModel)),
	}
	for name, t := range c.byModel {
		out.ByModel[name] = t.totals()
	}
	if len(c.log) == 0 {
		return out
	}
	out.Distinct = int64(len(c.bodies))
	for hash, n := range c.bodies {
		if n > 1 {
			if out.Repeats == nil {
				out.Repeats = make(map[string]int64)
			}
			out.Repeats[hashText(hash)] = n
		}
	}
	out.Log = make([]Logged, len(c.log))
	for i, rec := range c.log {
		out.Log[i] = rec.Logged
		out.Log[i].CostPico = rec.cost.picoText()
	}
	return out
}

func hashText(h uint64) string {
	const width = 16
	s := strconv.FormatUint(h, 16)
	return "0000000000000000"[:width-len(s)] + s
}
