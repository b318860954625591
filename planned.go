package aurea

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Plan is what requests will take.
type Plan struct {
	// Models are as the requests name them, the dearest first, Total all of them.
	Models []PlanModel
	Total  PlanSum
	// Unknown are the requests whose cost nobody can tell; no other figure counts them.
	Unknown []PlanUnknown
	// Limits are the limits that the requests meet, by provider and model, the slowest first, and how long each takes for itself.
	Limits []PlanLimit
	// Wall is how long the run takes when every limit is used in full, and Binding the limit that it waits for: nil if the answers take longer than any.
	Wall    time.Duration
	Binding *PlanLimit
}

// PlanSum adds up requests. All tokens are those of bounds and expectations as [usage.Outlook] has them.
type PlanSum struct {
	Requests                int64
	MostIn, MostOut         int64
	ExpectedIn, ExpectedOut int64
	Least, Expected, Most   money.Sum
	// Batch and Flex are Expected at the prices for batches and flexible processing, of those models that have them.
	Batch, Flex money.Sum
	// OverLimit are requests that a limit of the configuration refuses, because they are larger than itself.
	OverLimit int64
}

// PlanModel is what the requests for one model take.
type PlanModel struct {
	Model   string
	Targets []string // where they go: PROVIDER/MODEL, in the order of the configuration
	PlanSum
}

// PlanUnknown are requests for a model that has no price, or no bound.
type PlanUnknown struct {
	Model         string
	Requests      int64
	Message, Hint string // what is missing, and the lines of configuration that would mend it
}

// PlanLimit is one limit and how long it takes the requests to pass it.
type PlanLimit struct {
	// Place is PROVIDER/MODEL; empty for the concurrency of the run itself.
	Place string
	// Name is the limit's key in the configuration (rpm, tpm, input_tpm, output_tpm, rpd, tpd or concurrency), Settings the models entry it belongs to, if any, Value
	// its value per API key, and Keys the number of these. Guess says that it is a default that the provider's answers will replace.
	Name, Settings string
	Value          int64
	Keys           int64
	Guess          bool
	Takes          time.Duration
}

func (s *PlanSum) add(o *usage.Outlook) {
	s.Requests++
	s.MostIn, s.MostOut = saturated(s.MostIn, o.MostIn), saturated(s.MostOut, o.MostOut)
	s.ExpectedIn, s.ExpectedOut = saturated(s.ExpectedIn, o.ExpectedIn), saturated(s.ExpectedOut, o.ExpectedOut)
	s.Least, s.Expected, s.Most = s.Least.Add(o.Least), s.Expected.Add(o.Expected), s.Most.Add(o.Most)
	s.Batch, s.Flex = s.Batch.Add(o.Batch), s.Flex.Add(o.Flex)
}

func (s *PlanSum) plus(o *PlanSum) {
	s.Requests += o.Requests
	s.MostIn, s.MostOut = saturated(s.MostIn, o.MostIn), saturated(s.MostOut, o.MostOut)
	s.ExpectedIn, s.ExpectedOut = saturated(s.ExpectedIn, o.ExpectedIn), saturated(s.ExpectedOut, o.ExpectedOut)
	s.Least, s.Expected, s.Most = s.Least.Plus(o.Least), s.Expected.Plus(o.Expected), s.Most.Plus(o.Most)
	s.Batch, s.Flex = s.Batch.Plus(o.Batch), s.Flex.Plus(o.Flex)
	s.OverLimit += o.OverLimit
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// planPlace adds up what one provider's limits of a model will count.
type planPlace struct {
	name, settings string
	limits         ratelimit.Limits
	profile        ratelimit.Profile
	limiter        *ratelimit.Limiter // which is only asked how it counts
	keys           int64

	requests, tokens, in, out float64
	work                      float64 // seconds of calls under way
}

func (p *Planner) place(t policy.Target) *planPlace {
	id := placeID{t.Provider, t.Model}
	if _, known := p.places[id]; !known && len(p.places) >= mostNames {
		id = placeID{model: otherNames}
	}
	place, ok := p.places[id]
	if !ok {
		place = &planPlace{name: t.Provider + "/" + t.Model, settings: t.Settings}
		place.limits, place.profile = p.o.limits.allowance(t.Provider, t.Model, t.Settings)
		place.limiter = ratelimit.New(place.limits, place.profile)
		keys := slices.Sorted(slices.Values(p.s.providers[t.Provider].Keys()))
		place.keys = max(int64(len(slices.Compact(keys))), 1)
		if id.model == otherNames {
			place.name = otherNames
		}
		p.places[id] = place
	}
	return place
}

// What is assumed of how long a call takes.
const (
	// PlanLatency is the time to the first token.
	PlanLatency = time.Second
	// PlanSpeed is how many tokens of output a model writes in a second.
	PlanSpeed = 50
)

// add counts a share of a request, and reports whether a limit will refuse it for its size.
func (p *planPlace) add(d ratelimit.Demand, o *usage.Outlook, share float64) (refused bool) {
	tokens, in, out, err := p.limiter.Weigh(d)
	p.requests += share
	p.tokens += share * float64(tokens)
	p.in += share * float64(in)
	p.out += share * float64(out)
	p.work += share * (PlanLatency.Seconds() + float64(o.ExpectedOut)/PlanSpeed)
	return err != nil
}

// times returns how long each limit takes.
func (p *planPlace) times() (all []PlanLimit) {
	pace := p.profile.Pace
	if pace <= 0 || pace > 1 {
		pace = 0.995
	}
	keys := float64(p.keys)
	add := func(name string, value int64, guess bool, seconds float64) {
		if value > 0 && seconds > 0 {
			all = append(all, PlanLimit{Place: p.name, Name: name, Settings: p.settings, Value: value, Keys: p.keys, Guess: guess, Takes: duration(seconds)})
		}
	}
	slowest := 0.0 // of the limits per minute
	minute := func(name string, value int64, guess bool, n float64) {
		if value > 0 {
			seconds := n / keys / float64(value) / pace * 60
			slowest = max(slowest, seconds)
			add(name, value, guess, seconds)
		}
	}
	l := p.limits
	minute("rpm", l.RPM, l.GuessRPM, p.requests-keys*float64(max(p.profile.Burst, 1)))
	minute("tpm", l.TPM, l.GuessTPM, p.tokens)
	minute("input_tpm", l.InputTPM, false, p.in)
	minute("output_tpm", l.OutputTPM, false, p.out)
	// The first day's allowance is there at once, and every further one a day later at most. What is left for the last day goes at the pace of the minutes.
	day := func(name string, value int64, n float64) {
		if full := keys * float64(value); value > 0 && n > full {
			days := math.Ceil(n/full) - 1
			add(name, value, false, days*86400+slowest*(n-days*full)/n)
		}
	}
	day("rpd", l.RPD, p.requests)
	day("tpd", l.TPD, p.tokens)
	add("concurrency", l.Concurrency, false, p.work/keys/float64(l.Concurrency))
	return all
}

func duration(seconds float64) time.Duration {
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}

// Plan returns what was added up so far, for a run with so many calls under way at once.
func (p *Planner) Plan(concurrency int) Plan {
	var plan Plan
	for _, m := range p.models {
		plan.Models = append(plan.Models, *m)
		plan.Total.plus(&m.PlanSum)
	}
	slices.SortFunc(plan.Models, func(a, b PlanModel) int {
		return cmp.Or(b.Most.Cmp(a.Most), cmp.Compare(a.Model, b.Model))
	})
	for _, u := range p.blind {
		plan.Unknown = append(plan.Unknown, *u)
	}
	slices.SortFunc(plan.Unknown, func(a, b PlanUnknown) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Message, b.Message))
	})
	work := 0.0
	for _, place := range p.places {
		plan.Limits = append(plan.Limits, place.times()...)
		work += place.work
	}
	if concurrency > 0 && work > 0 {
		plan.Limits = append(plan.Limits, PlanLimit{Name: "concurrency", Value: int64(concurrency), Keys: 1, Takes: duration(work / float64(concurrency))})
	}
	slices.SortFunc(plan.Limits, func(a, b PlanLimit) int {
		return cmp.Or(cmp.Compare(b.Takes, a.Takes), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name, b.Name))
	})
	answer := duration(work / float64(max(plan.Total.Requests, 1)))
	if len(plan.Limits) > 0 && plan.Limits[0].Takes >= answer {
		plan.Wall, plan.Binding = plan.Limits[0].Takes, &plan.Limits[0]
	} else {
		plan.Wall = answer
	}
	return plan
}
