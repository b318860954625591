package admin

import (
	"maps"
	"slices"
)

// Paths are those that are answered, sorted.
func Paths() (all []string) {
	for _, path := range slices.Sorted(maps.Keys(routes)) {
		all = append(all, Prefix+path)
	}
	return all
}

// Cell is cell.
var Cell = cell
