package aurea

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Planner adds up what requests of a batch will take: money, tokens and time. It walks each as far as it costs nothing, by the code that a run walks it by, and
// spends, sends and writes nothing. Its memory does not grow with the number of requests. It must not be used by several goroutines at once.
type Planner struct {
	o      *Orchestrator
	s      *settings
	began  time.Time
	roads  map[roadID]*road
	models map[string]*PlanModel
	places map[placeID]*planPlace
	blind  map[roadID]*PlanUnknown
}

type roadID struct {
	api   usage.API
	model string
}

// road is where requests for a model go.
type road struct {
	err     error
	model   *PlanModel
	targets []roadTarget
	weights int64 // of all targets
}

type roadTarget struct {
	name     string // the provider's
	model    string
	weight   int64 // its part of the first attempts; 0 for one that is tried when others fail
	price    *pricing.Price
	foreseer *usage.Foreseer
	capField string
	place    *planPlace
}

// mostNames bounds the memory that names of models take. What is beyond it is counted together.
const mostNames = 1000

// otherNames stands for the models beyond mostNames.
const otherNames = "(other models)"

// Planner returns a planner that has seen nothing yet.
func (o *Orchestrator) Planner() *Planner {
	return &Planner{
		s: o.settings.Load(),
		o: o, began: time.Now(), roads: make(map[roadID]*road), models: make(map[string]*PlanModel), places: make(map[placeID]*planPlace),
		blind: make(map[roadID]*PlanUnknown),
	}
}

// Add takes a request in, as [usage.ReadRequest] read it. Its length is that of the body with the output cap of the caller's defaults in it, if any. It returns the
// *[Error] that the call itself would be refused with for its content or its model. A request without a price is no error here: it is counted among the
// unknown ones.
func (p *Planner) Add(req *usage.Request) error {
	id := roadID{req.API, req.Model}
	r, ok := p.roads[id]
	if !ok {
		r = p.road(id)
		if len(p.roads) >= mostNames {
			clear(p.roads)
		}
		p.roads[id] = r
	}
	err := r.err
	if err == nil {
		err = p.weigh(req, r)
	}
	if refused, ok := errors.AsType[*Error](err); ok && refused.Code == CodePriceUnknown {
		p.unknown(id, refused)
		return nil
	}
	return err
}

// road finds where a model's requests go and what they cost there.
func (p *Planner) road(id roadID) *road {
	s := p.s
	route, err := s.router.Resolve(id.model, formatOf(id.api))
	if err != nil {
		return &road{err: routeRefused(err)}
	}
	if route, err = s.rules.Apply(id.model, route); err != nil {
		return &road{err: notAllowed(err)}
	}
	r := &road{}
	weighted := slices.ContainsFunc(route.Targets, func(t policy.Target) bool { return t.Weight > 0 })
	for i, t := range route.Targets {
		price, err := p.priceOf(id.model, t)
		if err != nil {
			return &road{err: err}
		}
		weight := int64(0)
		if weighted || i == 0 {
			weight = max(t.Weight, 1)
		}
		r.weights += weight
		r.targets = append(r.targets, roadTarget{
			name: t.Provider, model: t.Model, weight: weight, price: price, foreseer: usage.NewForeseer(price, usage.Expectation{}), capField: s.capField(t.Provider), place: p.place(t),
		})
	}
	r.model = p.modelOf(id.model, r)
	return r
}

func (p *Planner) priceOf(requested string, t policy.Target) (*pricing.Price, error) {
	if _, ok := p.s.providers[t.Provider]; !ok {
		return nil, &Error{Code: CodeModelNotFound, Message: fmt.Sprintf("provider %q is not configured", t.Provider), Hint: "add it to the configuration"}
	}
	if why := p.s.unusable[t.Provider]; why != "" {
		return nil, &Error{Code: CodeUnauthorized, Message: fmt.Sprintf("provider %q cannot be used: %s", t.Provider, why), Hint: "give it a key, or route the model to another one"}
	}
	price, err := p.s.price(t.Provider, requested, t.Model, p.began)
	if err != nil {
		return nil, err
	}
	if most := p.s.maxOutput(t.Settings); most > 0 {
		own := *price
		own.MaxOutput = most
		price = &own
	}
	return price, nil
}

// weigh finds the outlook of a request at each of its targets and adds it up.
func (p *Planner) weigh(req *usage.Request, r *road) error {
	if len(req.Unbounded) > 0 && p.s.noUnbound {
		return unboundedRefused(req)
	}
	var all usage.Outlook
	var few [4]ratelimit.Demand
	demands, weights := few[:0], int64(0)
	for i := range r.targets {
		t := &r.targets[i]
		one, demand, err := p.foresee(req, t)
		if err != nil {
			return err
		}
		demands = append(demands, demand)
		if weights += t.weight; i == 0 {
			all = one
		} else if err := together(&all, &one, t.weight, weights); err != nil {
			return boundRefused(t.model, err)
		}
	}
	refused := true
	for i := range r.targets {
		if t := &r.targets[i]; t.weight > 0 {
			refused = t.place.add(demands[i], &all, float64(t.weight)/float64(r.weights)) && refused
		}
	}
	if refused { // by the limiter: nothing is spent
		all.Least = 0
		r.model.OverLimit++
	}
	r.model.add(&all)
	return nil
}

// together adds the outlook at another target, which gets weight of the weights so far.
func together(all, one *usage.Outlook, weight, weights int64) (err error) {
	all.Most, all.Least = max(all.Most, one.Most), min(all.Least, one.Least)
	all.MostIn, all.MostOut = max(all.MostIn, one.MostIn), max(all.MostOut, one.MostOut)
	all.ExpectedIn, all.ExpectedOut = max(all.ExpectedIn, one.ExpectedIn), max(all.ExpectedOut, one.ExpectedOut)
	for _, m := range []struct{ all, one *money.USD }{{&all.Expected, &one.Expected}, {&all.Batch, &one.Batch}, {&all.Flex, &one.Flex}} {
		before, err := m.all.MulRatio(weights-weight, weights)
		if err != nil {
			return err
		}
		more, err := m.one.MulRatio(weight, weights)
		if err != nil {
			return err
		}
		if *m.all, err = before.Add(more); err != nil {
			return err
		}
	}
	all.Expected = min(all.Expected, all.Most) // it was rounded up
	all.Batch, all.Flex = min(all.Batch, all.Expected), min(all.Flex, all.Expected)
	return nil
}

// foresee is what a request costs at one target, as it would be sent there; see walk.shape, which makes the request that here is only measured.
func (p *Planner) foresee(req *usage.Request, t *roadTarget) (usage.Outlook, ratelimit.Demand, error) {
	as := *req
	if t.model != as.Model {
		as.BodyBytes += int64(len(quoted(t.model)) - len(as.Model) - len(`""`))
	}
	outputCap, inject, err := p.s.caps.Choose(*t.price, as, usage.CapChoice{Batch: true})
	if err != nil {
		return usage.Outlook{}, ratelimit.Demand{}, &Error{Code: CodePriceUnknown, Message: err.Error(), Err: err}
	}
	if inject {
		as.BodyBytes += usage.CapBytes(as.API, t.capField, outputCap)
	}
	one, err := t.foreseer.Foresee(&as, outputCap, inject)
	if err != nil {
		return one, ratelimit.Demand{}, boundRefused(t.model, err)
	}
	return one, ratelimit.Demand{
		InputBytes: as.BodyBytes - as.MediaBytes, OutputCap: outputCap * max(as.Choices, 1), CapInjected: inject, Class: ratelimit.Batch,
	}, nil
}

func (p *Planner) unknown(id roadID, refused *Error) {
	if len(p.blind) >= mostNames {
		id.model = otherNames
	}
	u, ok := p.blind[id]
	if !ok {
		u = &PlanUnknown{Model: id.model, Message: refused.Message, Hint: refused.Hint}
		p.blind[id] = u
	}
	u.Requests++
}

func (p *Planner) modelOf(name string, r *road) *PlanModel {
	if _, known := p.models[name]; !known && len(p.models) >= mostNames {
		name = otherNames
	}
	m, ok := p.models[name]
	if !ok {
		m = &PlanModel{Model: name}
		for _, t := range r.targets {
			m.Targets = append(m.Targets, t.name+"/"+t.model)
		}
		p.models[name] = m
	}
	return m
}
