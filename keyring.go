package aurea

import (
	"sync"
	"time"
)

// keyRest is how long a refused key is left alone before it is tried again.
const keyRest = 5 * time.Minute

// keyring chooses among the API keys of one provider. A key that was answered 401, 403 or a spent quota is set aside, but only while the provider has
// another usable one: the last key is always tried and its answer passed on. Safe for concurrent use.
type keyring struct {
	mu      sync.Mutex
	ids     []string
	aside   []time.Time // until when
	next    int
	resting bool // whether any key was ever set aside
}

func newKeyring(ids []string) *keyring {
	if len(ids) == 0 {
		ids = []string{""}
	}
	return &keyring{ids: ids, aside: make([]time.Time, len(ids))}
}

// pick returns the next usable key in turn, or the next in turn when none is.
func (k *keyring) pick() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pickLocked()
}

func (k *keyring) pickLocked() int {
	first := k.next
	k.next = (k.next + 1) % len(k.ids)
	if !k.resting {
		return first
	}
	now := time.Now()
	for i := range k.ids {
		if key := (first + i) % len(k.ids); !k.aside[key].After(now) {
			k.next = (key + 1) % len(k.ids)
			return key
		}
	}
	return first
}

// setAside leaves key alone for a while and returns another usable one, or false if there is none.
func (k *keyring) setAside(key int) (other int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for i := range k.ids {
		if i != key && !k.aside[i].After(now) {
			k.aside[key], k.resting = now.Add(keyRest), true
			return k.pickLocked(), true
		}
	}
	return key, false
}

// others returns the usable keys beside key, the next in turn first; nil where there is only one.
func (k *keyring) others(key int) (usable []int) {
	if len(k.ids) == 1 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for i := 1; i < len(k.ids); i++ {
		if other := (key + i) % len(k.ids); !k.aside[other].After(now) {
			usable = append(usable, other)
		}
	}
	return usable
}
