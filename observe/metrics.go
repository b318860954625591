// Package observe turns what happens to calls into metrics in the format of Prometheus.
package observe

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
)

// Metrics counts calls. Dollars are floats here, for graphs; the ledger has them exactly. It is safe for concurrent use. Names are a contract.
type Metrics struct {
	registry *prometheus.Registry

	requests, attempts, retries, refusals, tokens, cost *prometheus.CounterVec
	queue                                               prometheus.Histogram

	known sync.Map // of target to *series, as many as there are series
}

// NewMetrics returns metrics that start at zero.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.requests = counter("aurea_requests_total", "Requests at the gateway, by HTTP status; 0 is a client that left.", "endpoint", "code")
	m.attempts = counter("aurea_attempts_total", "Attempts at providers, by HTTP status; 0 is no complete answer.", "provider", "model", "status")
	m.retries = counter("aurea_retries_total", "Attempts that were followed by another one, by what went wrong.", "provider", "model", "reason")
	m.refusals = counter("aurea_refusals_total", "Requests that were refused, by code.", "code")
	m.tokens = counter("aurea_tokens_total", "Tokens as the providers counted them.", "model", "direction")
	m.cost = counter("aurea_cost_usd_total", "US dollars booked.", "model")
	m.queue = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "aurea_queue_seconds", Help: "How long an attempt's call had waited for money and for the provider's allowance.",
		Buckets: []float64{0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 120, 600},
	})
	m.registry.MustRegister(m.queue, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Attempt counts an attempt that has ended.
func (m *Metrics) Attempt(a aurea.Attempt) {
	of := m.of(target{a.Provider, a.Model, a.Status})
	of.attempts.Inc()
	if a.Retried {
		m.retries.WithLabelValues(a.Provider, a.Model, a.Reason).Inc()
	}
	of.input.Add(float64(a.Usage.InputTokens()))
	of.output.Add(float64(a.Usage.OutputTokens()))
	of.cost.Add(float64(a.Cost) / float64(money.Dollar))
	m.queue.Observe(a.Queued.Seconds())
}

// target is what the counters of attempts are by, and series those counters: to look one up by its labels takes as long as all the rest.
type (
	target struct {
		provider, model string
		status          int
	}
	series struct{ attempts, input, output, cost prometheus.Counter }
)

func (m *Metrics) of(t target) *series {
	if v, ok := m.known.Load(t); ok {
		s, _ := v.(*series)
		return s
	}
	s := &series{
		attempts: m.attempts.WithLabelValues(t.provider, t.model, strconv.Itoa(t.status)),
		input:    m.tokens.WithLabelValues(t.model, "input"), output: m.tokens.WithLabelValues(t.model, "output"), cost: m.cost.WithLabelValues(t.model),
	}
	m.known.Store(t, s)
	return s
}

// Request counts a request at the gateway; refused is the code of a refusal, or empty.
func (m *Metrics) Request(endpoint string, status int, refused aurea.Code) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(status)).Inc()
	if refused != "" {
		m.refusals.WithLabelValues(string(refused)).Inc()
	}
}

// Watch adds what is read from an orchestrator when somebody asks: money held and unconfirmed, and the state of the breakers.
func (m *Metrics) Watch(status func() aurea.Status) { m.registry.MustRegister(&gauges{status: status}) }

// Handler answers with the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second})
}

var (
	heldDesc        = prometheus.NewDesc("aurea_held_usd", "US dollars set aside by calls under way.", nil, nil)
	unconfirmedDesc = prometheus.NewDesc("aurea_unconfirmed_usd", "US dollars that may have been spent; aurea jobs reconcile settles them.", nil, nil)
	breakerDesc     = prometheus.NewDesc("aurea_breaker_state", "0 closed, 1 half open, 2 open.", []string{"provider", "model"}, nil)
)

type gauges struct{ status func() aurea.Status }

// Describe is [prometheus.Collector]'s.
func (*gauges) Describe(to chan<- *prometheus.Desc) {
	to <- heldDesc
	to <- unconfirmedDesc
	to <- breakerDesc
}

// Collect is [prometheus.Collector]'s.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	s := g.status()
	to <- prometheus.MustNewConstMetric(heldDesc, prometheus.GaugeValue, dollars(s.Held))
	to <- prometheus.MustNewConstMetric(unconfirmedDesc, prometheus.GaugeValue, dollars(s.Unconfirmed))
	for _, b := range s.Breakers {
		to <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, stateValue(b.State), b.Provider, b.Model)
	}
}

// dollars makes a float of an amount: graphs need no more.
func dollars(amount fmt.Stringer) float64 {
	f, _ := strconv.ParseFloat(amount.String(), 64)
	return f
}

func stateValue(s breaker.State) float64 {
	switch s {
	case breaker.HalfOpen:
		return 1
	case breaker.Open:
		return 2
	default:
		return 0
	}
}
