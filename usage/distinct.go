package usage

import (
	"hash/maphash"
	"slices"
)

// distinct finds names that are there twice in one object. It keeps a number for each name instead of the name, which costs a tenth of what a map does: with a
// seed of the process's own, two names of a body have the same number once in 2^64 pairs, and a body cannot be made for it.
type distinct struct {
	open    []uint64 // the names of all objects that have begun, one object after the other
	table   []uint64 // those of the innermost object once it is large, by their last bits; 0 is an empty place
	objects []int    // see look
	owner   int      // where the object that has the table begins in open; −1 for none
}

var nameSeed = maphash.MakeSeed()

// fewNames is how many names of an object are looked through one by one.
const fewNames = 16

// add notes a name of the object that begins at from, and reports whether it is new.
func (d *distinct) add(from int, name string) bool {
	sum := maphash.String(nameSeed, name) | 1
	own := d.open[from:]
	if len(own) < fewNames {
		if slices.Contains(own, sum) {
			return false
		}
		d.open = append(d.open, sum)
		return true
	}
	if d.owner != from || 4*len(own) >= 3*len(d.table) {
		d.fill(from)
	}
	if !d.insert(sum) {
		return false
	}
	d.open = append(d.open, sum)
	return true
}

// fill makes a table of the names of the object so far.
func (d *distinct) fill(from int) {
	own := d.open[from:]
	size := 8 * fewNames
	for size < 2*len(own) {
		size *= 2
	}
	d.owner = from
	if size <= cap(d.table) && size <= 64*fewNames {
		d.table = d.table[:size]
		clear(d.table)
	} else {
		d.table = make([]uint64, size)
	}
	for _, sum := range own {
		d.insert(sum)
	}
}

func (d *distinct) insert(sum uint64) bool {
	mask := uint64(len(d.table)) - 1
	for at := sum >> 1 & mask; ; at = (at + 1) & mask {
		switch d.table[at] {
		case 0:
			d.table[at] = sum
			return true
		case sum:
			return false
		}
	}
}

// end forgets the object that begins at from.
func (d *distinct) end(from int) {
	d.open = d.open[:from]
	if d.owner >= from {
		d.owner = -1
	}
}

// again returns what is ready for another body, with the memory of this one.
func (d *distinct) again() distinct {
	return distinct{open: d.open[:0], table: d.table[:0], objects: d.objects[:0], owner: -1}
}
