package batch

import "hash/maphash"

// ids knows which ids there were, by 64 bits of each: among a million ids the odds that two that differ are taken for one are one in 30 million.
// It has room for mostIDs, and no more: what comes after them is compared with them only.
type ids struct {
	seed   maphash.Seed
	table  []uint64 // open addressing; 0 is free
	n      int
	missed int64
	wait   []waiting
	warm   uint64
}

// waiting is an id that is still to be looked up.
type waiting struct {
	hash uint64
	id   string
	line int
}

const (
	idSlots = 1 << 21 // 16 MB
	mostIDs = idSlots * 3 / 4
	// idsAtOnce are looked up together: each is somewhere else in memory, and the waits for them overlap.
	idsAtOnce = 64
)

func newIDs() *ids { return &ids{seed: maphash.MakeSeed(), table: make([]uint64, idSlots)} }

// add notes the id of a line and reports whether it is new.
func (i *ids) add(id string) bool { return i.insert(i.hash(id)) }

func (i *ids) hash(id string) uint64 { return max(maphash.String(i.seed, id), 1) }

// later notes the id of a line, of which look tells; call it while full does not say so.
func (i *ids) later(id string, line int) { i.wait = append(i.wait, waiting{i.hash(id), id, line}) }

func (i *ids) full() bool { return len(i.wait) >= idsAtOnce }

// look returns the lines whose ids an earlier one has.
func (i *ids) look() (bad []*LineError) {
	for _, w := range i.wait {
		i.warm += i.table[w.hash%idSlots]
	}
	for _, w := range i.wait {
		if !i.insert(w.hash) {
			bad = append(bad, &LineError{Line: w.line, Err: repeats(w.id)})
		}
	}
	i.wait = i.wait[:0]
	return bad
}

func (i *ids) insert(hash uint64) bool {
	at := hash % idSlots
	for ; i.table[at] != 0; at = (at + 1) % idSlots {
		if i.table[at] == hash {
			return false
		}
	}
	if i.n == mostIDs {
		i.missed++
		return true
	}
	i.table[at] = hash
	i.n++
	return true
}
