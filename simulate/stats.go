package simulate

import (
	"encoding/json"
	"math/big"
	"net/http"
	"strconv"
	"time"
)

// Stats is what a server served, and its bill. Every answer that was generated is charged, whether or not the client stayed to read it.
type Stats struct {
	Requests    int64                 `json:"requests"`
	OK          int64                 `json:"ok"`
	Answered    int64                 `json:"answered"`  // OK and written whole
	ByStatus    map[string]int64      `json:"by_status"` // "0" are broken connections
	RateLimited int64                 `json:"rate_limited"`
	InputTokens int64                 `json:"input_tokens"`
	OutTokens   int64                 `json:"output_tokens"`
	CostPico    string                `json:"cost_pico"`
	CostUSD     string                `json:"cost_usd"`
	InFlight    int64                 `json:"in_flight"`
	PeakFlight  int64                 `json:"peak_in_flight"`
	ByModel     map[string]ModelStats `json:"by_model"`
	// Log lists the requests in the order of their arrival, if Options.Detail is set.
	Log []Logged `json:"log,omitempty"`
}

// ModelStats is the part of one model.
type ModelStats struct {
	Requests    int64  `json:"requests"`
	OK          int64  `json:"ok"`
	InputTokens int64  `json:"input_tokens"`
	OutTokens   int64  `json:"output_tokens"`
	CostPico    string `json:"cost_pico"`
}

// Logged is one request.
type Logged struct {
	At     time.Time  `json:"at"`
	Hash   string     `json:"hash"` // of the body
	Model  string     `json:"model"`
	Status int        `json:"status"`
	Ended  *time.Time `json:"ended"` // nil while it is under way
}

type counts struct {
	Stats
	cost    *big.Int
	byModel map[string]*modelCounts
	log     []*Logged
}

type modelCounts struct {
	ModelStats
	cost *big.Int
}

func newCounts() counts {
	return counts{Stats: Stats{ByStatus: make(map[string]int64)}, cost: new(big.Int), byModel: make(map[string]*modelCounts)}
}

func (c *counts) status(code int) { c.ByStatus[strconv.Itoa(code)]++ }

func (c *counts) arrived(r *request, _ []byte, now time.Time, flight int64, detail bool) {
	c.Requests++
	c.PeakFlight = max(c.PeakFlight, flight)
	m, ok := c.byModel[r.model]
	if !ok {
		m = &modelCounts{cost: new(big.Int)}
		c.byModel[r.model] = m
	}
	m.Requests++
	if detail {
		c.log = append(c.log, &Logged{At: now, Hash: strconv.FormatUint(r.hash, 16), Model: r.model})
	}
}

// note changes the counts under the lock.
func (s *Server) note(change func(*counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

// ended notes how a request ends, and charges it if an answer was generated.
func (s *Server) ended(r *request, p plan, status int, generated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.stats
	c.status(status)
	if status == http.StatusTooManyRequests {
		c.RateLimited++
	}
	if i := p.number - 1; i < int64(len(c.log)) {
		now := time.Now()
		c.log[i].Status, c.log[i].Ended = status, &now
	}
	if !generated || r.endpoint == "messages/count_tokens" {
		return
	}
	price, ok := s.options.Prices[r.model]
	if !ok {
		price = s.options.DefaultPrice
	}
	cost := new(big.Int).Mul(big.NewInt(r.input), big.NewInt(price.Input))
	cost.Add(cost, new(big.Int).Mul(big.NewInt(r.output), big.NewInt(price.Output)))
	c.OK++
	c.InputTokens += r.input
	c.OutTokens += r.output
	c.cost.Add(c.cost, cost)
	if m, ok := c.byModel[r.model]; ok {
		m.OK++
		m.InputTokens += r.input
		m.OutTokens += r.output
		m.cost.Add(m.cost, cost)
	}
}

// Stats returns what was served so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats.Stats
	out.InFlight = s.flight
	out.CostPico, out.CostUSD = s.stats.cost.String(), dollars(s.stats.cost)
	out.ByStatus = make(map[string]int64, len(s.stats.ByStatus))
	for k, v := range s.stats.ByStatus {
		out.ByStatus[k] = v
	}
	out.ByModel = make(map[string]ModelStats, len(s.stats.byModel))
	for name, m := range s.stats.byModel {
		m.CostPico = m.cost.String()
		out.ByModel[name] = m.ModelStats
	}
	for _, l := range s.stats.log {
		out.Log = append(out.Log, *l)
	}
	return out
}

func (s *Server) serveStats(w http.ResponseWriter, req *http.Request) {
	stats := s.Stats()
	if req.URL.Query().Get("detail") == "" {
		stats.Log = nil
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(stats)
}
