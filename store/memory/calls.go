package memory

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// callLog keeps the rows of calls. A process that runs for long has millions of them, so they lie in chunks without pointers, which the garbage collector
// need not follow: names that return are kept once, and what is different in every row stands in one text.
type callLog struct {
	chunks [][]callRow
	n      int
	text   []byte // ids, attempt after attempt
	names  map[string]uint32
	name   []string
	paths  [][]store.CounterID
	known  map[uint64]int32 // hash of id and attempt → the newest row with it, +1
	seed   maphash.Seed
}

const rowsPerChunk = 256

// callRow is a [store.Call] in which texts are numbers of names, or places in the log's text.
type callRow struct {
	id, requestID                                                                      span
	job, provider, model, upstream, api, outcome, errCode, bound, priceHash, priceFrom uint32
	path                                                                               int32
	next                                                                               int32 // row with the same hash, +1
	attempt, item, status                                                              int64
	input, cacheRead, cacheWrite, output, reasoning                                    int64
	cost, doubt, worst, own                                                            money.USD
	started, ended                                                                     int64
	hasStarted, hasEnded                                                               bool
}

type span struct {
	at  int64
	len int32
}

func newCallLog() callLog {
	return callLog{names: map[string]uint32{}, known: map[uint64]int32{}, seed: maphash.MakeSeed()}
}

func (l *callLog) len() int { return l.n }

func (l *callLog) row(i int) *callRow { return &l.chunks[i/rowsPerChunk][i%rowsPerChunk] }

func (l *callLog) hash(id string, attempt int) uint64 {
	return maphash.String(l.seed, id) ^ uint64(attempt)*0x9e3779b97f4a7c15 // #nosec G115 -- a hash
}

func (l *callLog) has(id string, attempt int) bool {
	for i := l.known[l.hash(id, attempt)]; i != 0; {
		r := l.row(int(i - 1))
		if r.attempt == int64(attempt) && l.is(r.id, id) {
			return true
		}
		i = r.next
	}
	return false
}

func (l *callLog) is(s span, text string) bool { return string(l.text[s.at:s.at+int64(s.len)]) == text }

func (l *callLog) at(s span) string { return string(l.text[s.at : s.at+int64(s.len)]) }

func (l *callLog) keep(text string) span {
	s := span{int64(len(l.text)), int32(len(text))} // #nosec G115 -- ids are short
	l.text = append(l.text, text...)
	return s
}

func (l *callLog) intern(name string) uint32 {
	if name == "" {
		return 0
	}
	n, ok := l.names[name]
	if !ok {
		l.name = append(l.name, name)
		n = uint32(len(l.name)) // #nosec G115 -- fewer names than rows
		l.names[name] = n
	}
	return n
}

func (l *callLog) named(n uint32) string {
	if n == 0 {
		return ""
	}
	return l.name[n-1]
}

// pathNumber finds a path among those of late: a job's calls all have the same.
func (l *callLog) pathNumber(path []store.CounterID) int32 {
	for i := len(l.paths) - 1; i >= max(0, len(l.paths)-8); i-- {
		if slices.Equal(l.paths[i], path) {
			return int32(i) // #nosec G115 -- fewer paths than rows
		}
	}
	l.paths = append(l.paths, slices.Clone(path))
	return int32(len(l.paths) - 1) // #nosec G115 -- fewer paths than rows
}

func (l *callLog) add(c *store.Call) {
	if l.n == len(l.chunks)*rowsPerChunk {
		l.chunks = append(l.chunks, make([]callRow, rowsPerChunk))
	}
	h := l.hash(c.ID, c.Attempt)
	*l.row(l.n) = callRow{
		id: l.keep(c.ID), requestID: l.keep(c.RequestID), path: l.pathNumber(c.Path), next: l.known[h],
		job: l.intern(c.Job), provider: l.intern(c.Provider), model: l.intern(c.Model), upstream: l.intern(c.Upstream), api: l.intern(c.API),
		outcome: l.intern(c.Outcome), errCode: l.intern(c.Error), bound: l.intern(c.BoundKind), priceHash: l.intern(c.PriceHash), priceFrom: l.intern(c.PriceFrom),
		attempt: int64(c.Attempt), item: c.Item, status: int64(c.Status),
		input: c.InputTokens, cacheRead: c.CacheReadTokens, cacheWrite: c.CacheWriteTokens, output: c.OutputTokens, reasoning: c.ReasoningTokens,
		cost: c.Cost, doubt: c.Doubt, worst: c.Bound, own: c.Own,
		started: instant(c.Started), hasStarted: !c.Started.IsZero(), ended: instant(c.Ended), hasEnded: !c.Ended.IsZero(),
	}
	l.n++
	l.known[h] = int32(l.n) // #nosec G115 -- two thousand million rows do not fit the memory
}

// truncate takes the newest rows back.
func (l *callLog) truncate(n int) {
	for ; l.n > n; l.n-- {
		r := l.row(l.n - 1)
		h := l.hash(l.at(r.id), int(r.attempt))
		if r.next == 0 {
			delete(l.known, h)
		} else {
			l.known[h] = r.next
		}
		l.text = l.text[:r.id.at]
	}
}

// call returns a row; i counts from 0.
func (l *callLog) call(i int) store.Call {
	if i < 0 || i >= l.n {
		panic(fmt.Sprintf("memory: call %d of %d", i, l.n))
	}
	r := l.row(i)
	return store.Call{
		ID: l.at(r.id), RequestID: l.at(r.requestID), Path: slices.Clone(l.paths[r.path]), Attempt: int(r.attempt), Item: r.item, Status: int(r.status),
		Job: l.named(r.job), Provider: l.named(r.provider), Model: l.named(r.model), Upstream: l.named(r.upstream), API: l.named(r.api),
		Outcome: l.named(r.outcome), Error: l.named(r.errCode), BoundKind: l.named(r.bound), PriceHash: l.named(r.priceHash), PriceFrom: l.named(r.priceFrom),
		InputTokens: r.input, CacheReadTokens: r.cacheRead, CacheWriteTokens: r.cacheWrite, OutputTokens: r.output, ReasoningTokens: r.reasoning,
		Cost: r.cost, Doubt: r.doubt, Bound: r.worst, Own: r.own, Started: when(r.started, r.hasStarted), Ended: when(r.ended, r.hasEnded),
	}
}

func when(nanos int64, set bool) time.Time {
	if !set {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
