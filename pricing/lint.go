package pricing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Lint returns what looks wrong in the table's rows, one line each, sorted: discounts that are none, tiers more than three times as
// dear, cache reads dearer than the input or writes cheaper, bands cheaper than the short price, rows without a price. It is a list of doubts:
// a provider may sell so.
func (t *Table) Lint() []string {
	var doubts []string
	for _, l := range []layer{t.file, t.builtin} {
		for key, rows := range l {
			for _, p := range rows {
				for _, doubt := range p.lint() {
					doubts = append(doubts, key+": "+doubt)
				}
			}
		}
	}
	slices.Sort(doubts)
	return slices.Compact(doubts)
}

func (p Price) lint() (doubts []string) {
	if p.Refused != "" {
		return []string{"the model counts as unknown: " + p.Refused}
	}
	if !p.usable() {
		return []string{"has no price, or zero; the model counts as unknown"}
	}
	doubts = lintCache(p.Rates, "")
	for _, b := range p.Bands {
		doubts = append(doubts, lintCache(b.Rates, fmt.Sprintf("above %d tokens ", b.Over))...)
		for d := range dimensions {
			short, has := p.Rates.Get(d)
			if long, ok := b.Rates.Get(d); ok && has && long < short {
				doubts = append(doubts, fmt.Sprintf("%s is cheaper above %d tokens", d, b.Over))
			}
		}
	}
	for tier, rates := range p.Tiers {
		for d := range dimensions {
			base, has := p.Rates.Get(d)
			price, ok := rates.Get(d)
			switch {
			case !ok || !has:
			case tier == Priority && (price < base || price > 3*base):
				doubts = append(doubts, fmt.Sprintf("%s in priority is not from 1 to 3 times the ordinary price", d))
			case tier == Ultrafast && (price < base || price > mostInUltrafast*base):
				doubts = append(doubts, fmt.Sprintf("%s in ultrafast is not from 1 to %d times the ordinary price", d, mostInUltrafast))
			case !dear(tier) && price > base:
				doubts = append(doubts, fmt.Sprintf("%s in %s is dearer than the ordinary price", d, tier))
			}
		}
	}
	return doubts
}

func lintCache(r Rates, where string) (doubts []string) {
	in, _ := r.Get(Input)
	compare := func(d Dimension, wrong func(money.USD) bool, what string) {
		if v, ok := r.Get(d); ok && in > 0 && wrong(v) {
			doubts = append(doubts, strings.TrimSpace(fmt.Sprintf("%s %sis %s", d, where, what)))
		}
	}
	compare(CacheRead, func(v money.USD) bool { return v > in }, "dearer than the input")
	compare(CacheWrite, func(v money.USD) bool { return v < in }, "cheaper than the input")
	compare(CacheWrite1h, func(v money.USD) bool { return v < in }, "cheaper than the input")
	return doubts
}
