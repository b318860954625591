package aurea

import (
	"container/list"
	"sync"

	"github.com/andres20980/aurea-orchestrator/usage"
)

const (
	// mostJobs and mostPrefixes bound the memory of prefixes: about 200 bytes each, 13 MB in all.
	mostJobs     = 1024
	mostPrefixes = 64
	// noted is how many beginnings of each answered request are remembered: the whole of it, and what is left of it when a client changes its last messages,
	// as those do that move the marks of what is to be cached.
	noted = 5
)

// prefixes remembers what providers counted for the conversations of each job: the least recently used are forgotten first. Safe for concurrent use.
type prefixes struct {
	mu   sync.Mutex
	jobs recent[string, *recent[usage.PrefixID, usage.Known]]
}

// learn notes the count of a request.
func (p *prefixes) learn(job string, o usage.Outline, tokens int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, ok := p.jobs.get(job)
	if !ok {
		of = &recent[usage.PrefixID, usage.Known]{most: mostPrefixes}
		p.jobs.most = mostJobs
		p.jobs.put(job, of)
	}
	for i, id := range o.Ends(noted) {
		known := usage.Known{Tokens: tokens, Whole: i == 0}
		// Of two counts of one whole conversation the larger holds; of what is known as a part only, the one of the shorter conversation is nearer.
		if old, has := of.get(id); has && (old.Whole && !known.Whole || old.Whole == known.Whole && (old.Tokens > tokens) == known.Whole) {
			known = old
		}
		of.put(id, known)
	}
}

// bound returns the most tokens that a request of the job can be, and how many of its messages the provider has counted before.
func (p *prefixes) bound(job string, find func(known func(usage.PrefixID) (usage.Known, bool)) (tokens int64, after int, ok bool)) (tokens int64, after int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, has := p.jobs.get(job)
	if !has {
		return 0, 0, false
	}
	return find(of.get)
}

// recent is a map that keeps the entries used last.
type recent[K comparable, V any] struct {
	most    int
	entries map[K]*list.Element
	order   list.List // of entry, the one used last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func (r *recent[K, V]) get(key K) (value V, ok bool) {
	at, ok := r.entries[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(at)
	return at.Value.(*entry[K, V]).value, true
}

func (r *recent[K, V]) put(key K, value V) {
	if at, ok := r.entries[key]; ok {
		at.Value.(*entry[K, V]).value = value
		r.order.MoveToFront(at)
		return
	}
	if r.entries == nil {
		r.entries = make(map[K]*list.Element)
	}
	if len(r.entries) >= r.most {
		last := r.order.Back()
		delete(r.entries, last.Value.(*entry[K, V]).key)
		r.order.Remove(last)
	}
	r.entries[key] = r.order.PushFront(&entry[K, V]{key, value})
}
