package simulate

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// The names of Options.Count.
const (
	countMax    = "max"
	countSum    = "sum"
	countInput  = "input"
	countActual = "actual"
)

// The dimensions of a limit.
const (
	dimRequests = iota
	dimTokens
	dimInput
	dimOutput
	dims
)

// dimension is how a dimension is called in a message, and in headers: [0] as OpenAI does, [1] as Anthropic does; limit, remaining, reset.
var dimension = func() (all [dims]struct {
	words  string
	header [2][3]string
},
) {
	for d, name := range [dims][2]string{
		{"Requests", "requests per min (RPM)"},
		{"Tokens", "tokens per min (TPM)"},
		{"Input-Tokens", "input tokens per min (ITPM)"},
		{"Output-Tokens", "output tokens per min (OTPM)"},
	} {
		all[d].words = name[1]
		all[d].header[0] = [3]string{"X-Ratelimit-Limit-" + name[0], "X-Ratelimit-Remaining-" + name[0], "X-Ratelimit-Reset-" + name[0]}
		prefix := "Anthropic-Ratelimit-" + name[0]
		all[d].header[1] = [3]string{prefix + "-Limit", prefix + "-Remaining", prefix + "-Reset"}
	}
	return all
}()

// account holds the limits of one model and what counts against them.
type account struct {
	limits [dims]int64
	rules  [dims]rule
	meters [dims]meter
	epoch  int // of the options that the rules were made of
}

// verdict is what the limits say to a request.
type verdict struct {
	refused bool
	dim     int           // that refused; dims for concurrency
	allowed int64         // its limit per minute
	wait    time.Duration // until the request would fit
	tooBig  bool          // it never will
	tickets [dims]ticket
	account *account
	told    bool // Options.Headers
	// For headers, of the dimensions that have a limit:
	limit, left [dims]int64
	full        [dims]time.Duration
}

// account returns the account of a model. Names beyond the first thousand share one, so that memory is bounded.
func (s *Server) account(model string) *account {
	a, ok := s.accounts[model]
	if !ok {
		if len(s.accounts) >= maxModels {
			model = otherModels
		}
		if a = s.accounts[model]; a == nil {
			a = &account{epoch: -1}
			s.accounts[model] = a
		}
	}
	if a.epoch != s.epoch {
		o := &s.options
		l := o.limits(model)
		a.limits = [dims]int64{l.RPM, l.TPM, l.InputTPM, l.OutputTPM}
		for d, limit := range a.limits {
			window := o.TokenWindow
			if d == dimRequests {
				window = o.Window
			}
			algo := a.rules[d].algo
			if a.rules[d] = newRule(o, limit, window); algo != o.Algo || limit == 0 {
				a.meters[d] = meter{}
			}
		}
		a.epoch = s.epoch
	}
	return a
}

// counts is what a request counts of each dimension on arrival.
func (o *Options) counts(r *request) [dims]int64 {
	in, most := r.use.in(), r.cap
	c := [dims]int64{1, max(in, most), in, most}
	switch o.Count {
	case countSum:
		c[dimTokens] = in + most
	case countInput:
		c[dimTokens] = in
	case countActual:
		c[dimTokens], c[dimOutput] = in+r.use.output, r.use.output
	}
	if most == 0 {
		c[dimOutput] = r.use.output
	}
	return c
}

// admit lets a request in by all limits at once, or refuses it and counts nothing, but for the request itself with CountRefused. s.mu is held.
func (s *Server) admit(r *request, now int64) (v verdict) {
	o := &s.options
	a := s.account(r.model)
	v.account, v.told = a, o.Headers
	counts := o.counts(r)
	for d, limit := range a.limits {
		if limit == 0 {
			continue
		}
		m, rule := &a.meters[d], &a.rules[d]
		m.advance(rule, now)
		if counts[d] > rule.largest() {
			v.refused, v.tooBig, v.dim = true, true, d
			continue
		}
		if w := m.wait(rule, now, counts[d]); w > 0 && !v.tooBig {
			v.refused = true
			if w > v.wait {
				v.wait, v.dim = w, d
			}
		}
	}
	if !v.refused && o.Concurrency > 0 && s.flight >= o.Concurrency {
		v.refused, v.dim, v.wait = true, dims, 100*time.Millisecond
	}
	if v.refused && v.dim < dims {
		v.allowed = a.limits[v.dim]
	}
	for d, limit := range a.limits {
		if limit == 0 {
			continue
		}
		m, rule := &a.meters[d], &a.rules[d]
		switch {
		case !v.refused:
			v.tickets[d] = m.take(rule, now, counts[d])
		case o.CountRefused && d == dimRequests && !m.overdrawn(rule):
			m.take(rule, now, 1)
		}
		if o.Headers {
			v.limit[d], v.left[d], v.full[d] = limit, m.left(rule), m.full(rule, now)
		}
	}
	return v
}

// settle gives back what was counted and not used, where the options say so. s.mu is held.
func (s *Server) settle(v *verdict, use tokens, now int64) {
	if !s.options.Refund || v.refused || v.account == nil || v.account.epoch != s.epoch {
		return
	}
	used := [dims]int64{1, use.in() + use.output, use.in(), use.output}
	for d, limit := range v.account.limits {
		if limit != 0 && d != dimRequests {
			v.account.meters[d].giveBack(&v.account.rules[d], now, v.tickets[d], used[d])
		}
	}
}

// headers tells of the limits as OpenAI (https://platform.openai.com/docs/guides/rate-limits) and Anthropic
// (https://docs.anthropic.com/en/api/rate-limits) do. "Remaining" is what would be let in at this moment.
func (v *verdict) headers(h http.Header, anthropic bool, now time.Time) {
	for d, limit := range v.limit {
		if limit == 0 {
			continue
		}
		left, reset := v.left[d], ""
		dialect := 0
		if anthropic {
			dialect = 1
			if d != dimRequests && limit >= 1000 {
				left = min((left+500)/1000*1000, limit) // tokens are told to the nearest thousand
			}
			reset = now.Add(v.full[d] + time.Second - 1).UTC().Truncate(time.Second).Format(time.RFC3339)
		} else {
			reset = ceil(v.full[d], time.Millisecond).String()
		}
		names := &dimension[d].header[dialect]
		values := [3]string{strconv.FormatInt(limit, 10), strconv.FormatInt(left, 10), reset}
		for i := range names {
			h[names[i]] = values[i : i+1 : i+1]
		}
	}
}

// retryAfter tells in whole seconds when to come again; OpenAI's format also in milliseconds.
func retryAfter(h http.Header, anthropic bool, wait time.Duration) {
	h["Retry-After"] = []string{strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10)}
	if !anthropic {
		h["Retry-After-Ms"] = []string{strconv.FormatInt(ceil(wait, time.Millisecond).Milliseconds(), 10)}
	}
}

func ceil(d, unit time.Duration) time.Duration { return (d + unit - 1) / unit * unit }
