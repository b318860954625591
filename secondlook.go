package aurea

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/usage"
)

const (
	// countWait bounds the exchange with a provider's counting endpoint.
	countWait = 3 * time.Second
	// countPause is how long a provider is not asked again after its endpoint failed, countNever after it said that it has none.
	countPause, countNever = 30 * time.Second, time.Hour
	// The provider's own count is an estimate, which "may differ by a small amount" from what is billed
	// (https://docs.claude.com/en/docs/build-with-claude/token-counting): 2 % and 64 tokens are added to it.
	countPercent, countMore = 2, 64
	// worthNoting is the share of what is free, one in so many, from which on a call's count is remembered: calls that cost less do not get to a second look.
	worthNoting = 64
)

// tokenizeFor bounds the time that a tokenizer gets for one request; what it has not read by then counts as its bytes. Tests, whose machine may be busy, set it higher.
var tokenizeFor = 2 * time.Second

// looks is what second looks share. Safe for concurrent use.
type looks struct {
	known     prefixes
	tokenizer func(model string) (count func(text string) (int64, bool), ok bool)
	desks     chan struct{} // of those who use the tokenizer at a time

	mu         sync.Mutex
	distrusted map[string]bool      // models whose provider has billed past a second look
	silent     map[string]time.Time // providers that do not count before then
}

func newLooks(tokenizer func(string) (func(string) (int64, bool), bool)) *looks {
	return &looks{
		tokenizer: tokenizer, desks: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		distrusted: make(map[string]bool), silent: make(map[string]time.Time),
	}
}

// secondLook reports whether a kind of bound is a second look's.
func secondLook(kind string) bool {
	return kind == usage.BoundPrefix || kind == usage.BoundProvider || kind == usage.BoundTokenizer
}

// distrust ends the second looks at a model: its provider counts otherwise than they do.
func (l *looks) distrust(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.distrusted[key] = true
}

func (l *looks) trusted(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.distrusted[key]
}

// asks reports whether a provider is to be asked for its count now.
func (l *looks) asks(provider string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().After(l.silent[provider])
}

func (l *looks) failed(provider string, err error) {
	pause := countPause
	if errors.Is(err, ErrNotCounted) {
		pause = countNever
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent[provider] = time.Now().Add(pause)
}

// lookAgain takes a second look at a bound that is more than what is free on the job's path now. It lowers the bound where it can; then, and only then, is the
// output cap chosen again too. It costs money nowhere.
func (w *walk) lookAgain(t *target) {
	if w.s.proven || w.function != nil || t.price.Free {
		return
	}
	free, _ := room(w.o.money.Glance(w.call.Job.path))
	t.worthNoting = t.worst > free/worthNoting
	if t.worst > free {
		w.look(t, free)
	}
}

// refusedMoney reports whether a refusal for want of money can be answered by a second look that was not taken yet: what is free was more at a glance than by the
// store's word.
func (w *walk) refusedMoney(t *target, err error) (again bool) {
	if !errors.Is(err, budget.ErrExceeded) || t.looked || w.s.proven || w.function != nil {
		return false
	}
	was := t.worst
	free, _ := room(w.o.money.Glance(w.call.Job.path)) // the refusal has brought the store's word
	w.look(t, free)
	return t.worst < was
}

// look tries one way after the other until the bound fits what is free.
func (w *walk) look(t *target, free money.USD) {
	if t.looked || !w.o.looks.trusted(w.excessKey(t)) || w.inVain(t, free) || !w.readOutline(t) {
		return
	}
	t.looked = true
	from, counted := w.byPrefix(t)
	if counted {
		if w.adopt(t, from.tokens, usage.BoundPrefix); t.worst <= free {
			return
		}
	}
	if tokens, ok := w.byProvider(t); ok {
		w.adopt(t, tokens, usage.BoundProvider)
		return // nobody knows better
	}
	if tokens, ok := w.byTokenizer(t, from); ok {
		w.adopt(t, tokens, usage.BoundTokenizer)
	}
}

// inVain reports whether no second look can make the bound fit: what the answer may cost, and the input if its tokens were as long as they hardly ever are, is more than
// what is free. Once a budget is spent, nobody is asked about each call that comes after.
func (w *walk) inVain(t *target, free money.USD) bool {
	least := w.with(t, max(t.inputLen/longTokens, 1))
	return least.worst > free
}

// longTokens is more bytes than the tokens of a text have on average.
const longTokens = 16

// beginning is what is known of the input: a bound of all of it, and how many of its messages the provider has counted, which are not to be counted again.
type beginning struct {
	tokens int64
	after  int
}

// readOutline reads how the target's request goes on from others, once.
func (w *walk) readOutline(t *target) bool {
	if t.outline != nil {
		return true
	}
	outline, err := usage.ReadOutline(w.call.API, w.around(t), t.body)
	if err != nil {
		return false
	}
	t.outline = &outline
	return true
}

// around names what else than the body decides how a request is counted: the provider, and the versions and trials of its API that the caller's headers ask for.
func (w *walk) around(t *target) string {
	var asked []string
	for name, values := range w.call.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "anthropic-") || strings.HasPrefix(name, "openai-") {
			asked = append(asked, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(asked)
	return strings.Join(append(asked, t.provider.Name()), "\n")
}

// adopt makes a better bound of the input the target's, if it makes the whole bound smaller.
func (w *walk) adopt(t *target, tokens int64, kind string) {
	if better := w.with(t, tokens); better.worst < t.worst {
		better.kind = kind
		*t = better
	}
}

// with returns the target with another bound of its input, or as it is where that makes no bound. The output cap is chosen again if it was ours and no attempt has gone
// out with it.
func (w *walk) with(t *target, tokens int64) target {
	other := *t
	other.input = tokens
	var err error
	if t.injected > 0 && !t.sent {
		err = w.shape(&other)
	} else {
		other.request.InputTokens = tokens
		if other.worst, _, err = usage.Bound(*other.price, other.request, other.cap); err == nil {
			err = w.raise(&other)
		}
	}
	if err != nil {
		return *t
	}
	return other
}

// byPrefix bounds the input by what the provider counted for the job's earlier calls, and the bytes that are new.
func (w *walk) byPrefix(t *target) (from beginning, ok bool) {
	from.tokens, from.after, ok = w.o.looks.known.bound(w.call.Job.key(), func(known func(usage.PrefixID) (usage.Known, bool)) (int64, int, bool) {
		return t.outline.Bound(*t.price, known)
	})
	return from, ok
}

// byProvider asks the provider for its own count. An item of a batch does not: there may be a million of them, and they can wait for one another's money.
func (w *walk) byProvider(t *target) (tokens int64, ok bool) {
	counter, ok := t.provider.Provider.(InputCounter)
	name := t.provider.Name()
	if !ok || w.call.Item != nil || !w.o.looks.asks(name+" "+string(w.call.API)) {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(w.call.Waiting, countWait)
	defer cancel()
	tokens, err := counter.CountInput(ctx, &Request{API: w.call.API, Model: t.model, Body: t.body, Header: w.call.Header, Key: t.key})
	if err != nil {
		if w.call.Waiting.Err() == nil && !errors.Is(err, ErrNotCountable) {
			w.o.looks.failed(name+" "+string(w.call.API), err)
		}
		w.o.log.Debug("the provider did not count an input", "call_id", w.id, "provider", name, "error", err)
		return 0, false
	}
	if tokens <= 0 || tokens > mostCounted || len(t.request.Unbounded) == 0 && tokens < t.inputLen/longTokens {
		return 0, false // no count of this input
	}
	return tokens + (tokens*countPercent+99)/100 + countMore, true
}

// mostCounted is more than any model reads.
const mostCounted = 1 << 40

// byTokenizer counts the long texts of a request to a model of OpenAI's, those of the messages that no earlier count covers.
func (w *walk) byTokenizer(t *target, from beginning) (tokens int64, ok bool) {
	if w.o.looks.tokenizer == nil || t.price.Provider != "openai" {
		return 0, false
	}
	count, ok := w.o.looks.tokenizer(t.model)
	if !ok {
		return 0, false
	}
	if from.after == 0 {
		in, ok, _ := usage.InputBound(*t.price, t.request)
		if !ok {
			return 0, false
		}
		from.tokens = in.Total()
	}
	select {
	case w.o.looks.desks <- struct{}{}:
		defer func() { <-w.o.looks.desks }()
	case <-w.call.Waiting.Done():
		return 0, false
	}
	count("") // the first use of a vocabulary reads it, which is not the request's to pay
	until := time.Now().Add(tokenizeFor)
	fewer := t.outline.Tokenized(from.after, func(text string) (int64, bool) {
		if time.Now().After(until) {
			return 0, false
		}
		return count(text)
	})
	return from.tokens - fewer, fewer > 0
}

// learn remembers what the provider counted for a request, for the turn that follows it.
func (w *walk) learn(t *target, b bill) {
	if !t.worthNoting || b.outcome != outcomeOK || w.function != nil {
		return
	}
	tokens := b.usage.InputTokens()
	if len(t.request.Unbounded) == 0 && tokens < t.inputLen/longTokens {
		return // such as servers count that leave out what they had in their cache
	}
	if tokens <= 0 || !w.o.looks.trusted(w.excessKey(t)) || !w.readOutline(t) {
		return
	}
	w.o.looks.known.learn(w.call.Job.key(), *t.outline, tokens)
	w.o.log.Debug("noted the count of a conversation", slog.String("call_id", w.id), slog.Int64("tokens", tokens))
}

// key tells a job from a removed one of the same name.
func (j *Job) key() string { return j.ID + " " + strconv.FormatInt(j.made.UnixNano(), 36) }
