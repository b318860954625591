package aurea

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/redact/mask"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Call is one model call.
type Call struct {
	// ID names the call in the books and the log. Default: one from [NewCallID]. Batch items have their own.
	ID string
	// Job pays for it.
	Job *Job
	API usage.API
	// Provider, if not empty, is the only provider that the call goes to, with the model's name as it is in Body.
	Provider string
	// Body is the request in the API's own format; it is not changed.
	Body []byte
	// Header holds what goes through to the provider, such as Idempotency-Key. Credentials in it are ignored.
	Header http.Header
	// Class decides who goes first when the provider's allowance is short.
	Class ratelimit.Class
	// MaxWait bounds each wait, for money and for the provider's allowance: 0 refuses at once, a negative value waits as long as ctx.
	MaxWait time.Duration
	// PII asks for personal data to be masked, or the request to be refused. It can only be stricter than what the job and the configuration say.
	PII PII
	// Waiting, if not nil, ends waiting for money and allowance but not a call on the wire. Default: only ctx does.
	Waiting context.Context
	// Sink, if not nil, takes the answer to a request that asks for a stream, as it comes. Default: it is collected, and is the Body of the Answer.
	Sink Sink
	// Logged says that the caller writes a line of its own about the call, so that its attempts are logged at debug level.
	Logged bool
	// OnSend, if not nil, is called when an attempt stops waiting and goes to the provider.
	OnSend func(Sending)
	// Item is set for a batch item: its attempts are separate calls of Do, and each is recorded together with its cost.
	Item *Item
}

// Sending is what is known when an attempt goes to a provider.
type Sending struct {
	Provider, Model string        // where it goes
	Attempt         int           // from 1
	Queued          time.Duration // the whole call's waits so far
	InjectedCap     int64         // output cap that was put into the request, 0 if none
}

// Attempt is one attempt at a provider that has ended; see [Config.Observe].
type Attempt struct {
	CallID, Job     string
	Provider, Model string // Model is the provider's name for it
	Number          int    // from 1
	Status          int    // 0: no complete answer came
	Reason          string // why it failed, as the retry table says it, or "ok"
	Retried         bool   // another attempt follows
	// Cost is booked, Unconfirmed may have been spent too.
	Cost, Unconfirmed money.USD
	Usage             usage.Usage
	Queued            time.Duration // the call's waits so far, for money and for the provider's allowance
	Took              time.Duration
}

// Item ties a call to a batch item.
type Item struct {
	Seq     int64
	Attempt int // the claim, which fences the completion
	Tries   int // attempts before this one that ended in a retry
	// Complete turns the answer into what is written with its cost. retryAt is when the item is to run again, zero if the answer is final.
	Complete func(a *Answer, retryAt time.Time) *store.Completion
}

// Answer is what a provider said, after the last attempt.
type Answer struct {
	CallID string
	// Status, Header, Body and RequestID are the provider's own; Status is 0 when no complete answer came, and then Err says why.
	Status    int
	Header    http.Header
	Body      []byte
	RequestID string
	Err       *Error

	Provider, Model string
	Attempts        int
	Queued          time.Duration // waited for money and for the provider's allowance
	// Cost is booked, Unconfirmed may have been spent too: of the last attempt, and of the whole call.
	Cost, Unconfirmed           money.USD
	TotalCost, TotalUnconfirmed money.USD
	Usage                       usage.Usage
	// OwnCost is our own figure for the last attempt, where Cost is what the provider reports; 0 where they are the same thing.
	OwnCost money.USD
	// InjectedCap is the output cap that Aurea put into the request, 0 if none; Truncated says the answer ended at it.
	InjectedCap int64
	Truncated   bool
	// Masked says what was masked in the request; the answer has the values again.
	Masked []Masked
	// RetryAt is set for a batch item that is to run again.
	RetryAt time.Time
	// Recorded says that a batch item's completion was written.
	Recorded bool
}

// OK reports whether the answer is a complete one of status 2xx.
func (a *Answer) OK() bool { return a.Err == nil && a.Status >= 200 && a.Status < 300 }

// walk is the state of one call on its path. One goroutine walks it.
type walk struct {
	o           *Orchestrator
	s           *settings // as they were when the call began
	call        Call
	id          string
	request     usage.Request
	masked      *mask.Map // nil: nothing was
	targets     []*target // in the order in which they are tried
	at          int       // the target in use
	tried       int       // attempts sent by this walk
	limitedKeys int       // in a row whose rate was used up at the provider
	numbered    int       // what the numbers of its attempts start after
	queued      time.Duration
	began       time.Time // when it entered
	started     time.Time // of the attempt
	last        *Answer
	// A function given to [Execute] takes the place of the exchange with a provider.
	function *function
}

// target is one place a call can go to, with the request as it would be sent there.
type target struct {
	provider  *upstream
	model     string // upstream name
	settings  string // the models entry that matched
	key       int
	price     *pricing.Price // shared: not to be changed
	plain     []byte         // the request as the caller wrote it, but for the model's name
	body      []byte         // as it will be sent
	injected  int64          // output cap put in, 0 if none
	cap       int64          // output cap in force per choice
	outputCap int64          // of all choices together
	worst     money.USD
	raised    money.USD // of worst, because the provider has billed past the bound before
	kind      string    // which bound was used
	breaker   *breaker.Breaker
	limits    *limits
	inputLen  int64
	tokens    int64         // of input, where the caller counted them
	hideUsage bool          // the request was made to ask for usage, which its caller does not wait for
	request   usage.Request // as sent

	// The second look's.
	input       int64          // the most tokens of input that it found, 0 if none
	outline     *usage.Outline // nil: not read
	looked      bool
	sent        bool // an attempt has gone out
	worthNoting bool // the call costs a share of what is free
}

func (o *Orchestrator) enter(ctx context.Context, call Call) *walk {
	if call.Waiting == nil {
		call.Waiting = ctx
	}
	w := &walk{o: o, s: o.settings.Load(), call: call, began: time.Now()}
	if call.Item == nil || call.Job.ID == "" {
		if w.id = call.ID; w.id == "" {
			w.id = NewCallID()
		}
		return w
	}
	// All attempts at an item are one call, over restarts too; each claim has numbers of its own.
	w.id, w.numbered = itemCallID(call.Job, call.Item.Seq), call.Item.Attempt*attemptsPerClaim
	return w
}

// attemptsPerClaim is more than there are keys and targets to try within one claim of an item.
const attemptsPerClaim = 1000

// itemCallID is the same for all attempts at an item. The rows of a removed job's calls stay, so a new job of its name has others.
func itemCallID(job *Job, seq int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", job.ID, job.made.UnixNano(), seq))
	return callPrefix + hex.EncodeToString(sum[:16])
}

const callPrefix = "call_"

// NewCallID returns a name for a call: the milliseconds since 1970 and 80 random bits, which guard nothing and so need not be secret. Names that grow with time lie side by
// side in a database's index; names at random would have it write a page for nearly every call.
func NewCallID() string {
	var raw [16]byte
	now := time.Now().UnixMilli()
	binary.BigEndian.PutUint64(raw[:8], uint64(now)<<16|mathrand.Uint64()>>48) // #nosec G115 G404 -- not before 1970; see above
	binary.BigEndian.PutUint64(raw[8:], mathrand.Uint64())                     // #nosec G404 -- see above
	var name [len(callPrefix) + 2*len(raw)]byte
	hex.Encode(name[copy(name[:], callPrefix):], raw[:])
	return string(name[:])
}

// read decodes what is needed of the body, once.
func (w *walk) read() error {
	req, err := usage.ReadRequest(w.call.API, w.call.Body)
	if err != nil {
		return &Error{Code: CodeInvalidRequest, Message: err.Error(), Err: err}
	}
	w.request = req
	return nil
}

// policy asks whether the model may be called and where it goes; each target must have a price.
func (w *walk) policy() error {
	route, err := w.route()
	if err != nil {
		return routeRefused(err)
	}
	if route, err = w.s.rules.Apply(w.request.Model, route); err != nil {
		return notAllowed(err)
	}
	for _, rt := range route.Order(mathrand.Int64N) {
		t, err := w.newTarget(rt.Provider, rt.Model, rt.Settings)
		if err != nil {
			return err
		}
		w.targets = append(w.targets, t)
	}
	return nil
}

// route is where the router sends the model, or the one provider that the call names.
func (w *walk) route() (policy.Route, error) {
	if w.call.Provider == "" {
		return w.s.router.Resolve(w.request.Model, formatOf(w.call.API))
	}
	return w.s.router.ResolveAt(w.call.Provider, w.request.Model, formatOf(w.call.API))
}

func (w *walk) newTarget(provider, model, settings string) (*target, error) {
	up, err := w.s.usable(provider)
	if err != nil {
		return nil, err
	}
	price, err := w.s.price(provider, w.request.Model, model, w.began)
	if err != nil {
		return nil, err
	}
	return &target{
		provider: up, model: model, settings: settings, key: up.keys.pick(), price: price,
		breaker: w.s.breakers.Get(provider, model), limits: w.o.limits,
	}, nil
}

// price looks a model up by its upstream name, and by the requested name where the operator priced that.
func (s *settings) price(provider, requested, upstream string, at time.Time) (*pricing.Price, error) {
	price, err := s.prices.Row(provider, upstream, at)
	if err != nil && requested != upstream {
		if p, e := s.prices.Row(provider, requested, at); e == nil && p.Origin == pricing.OriginOverride {
			return p, nil
		}
	}
	if err != nil {
		return nil, priceUnknown(err)
	}
	return price, nil
}

// target returns the target in use.
func (w *walk) target() *target { return w.targets[w.at] }

// limiter returns the limiter of the target for the key in use.
func (t *target) limiter() *ratelimit.Limiter {
	return t.limits.of(t.provider, t.key, t.model, t.settings)
}

func (t *target) demand(class ratelimit.Class) ratelimit.Demand {
	return ratelimit.Demand{InputBytes: t.inputLen, InputTokens: t.tokens, OutputCap: t.outputCap, CapInjected: t.injected > 0, Class: class}
}

func formatOf(api usage.API) string {
	if api == usage.Messages {
		return FormatAnthropic
	}
	return FormatOpenAI
}
