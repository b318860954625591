package pricing

// Sold reports whether a row has a price of its own for a kind of token in a tier, at a number of input tokens, or derives it from others by a rule that
// providers publish. What [Price.For] returns otherwise is a guess from above: the rest of a dearer tier that is priced in part, or such a tier for long calls.
//
// Batch and flex are sold at one factor of everything (see [Price.For]), so they are sold once the tier is. A kind without an ordinary price is sold
// as the plain input or output that it is priced as.
func (p *Price) Sold(tier string, input int64, d Dimension) bool {
	if tier == Flex && d == CacheRead && !p.Free && p.google() && p.Tiers[Flex] == (Rates{}) {
		return false // see cheapensReads
	}
	if !dear(tier) || p.Free || p.anthropic() { // Anthropic's priority is paid for in advance
		return p.HasTier(tier)
	}
	_, has := p.Rates.Get(d)
	tiers := p.Tiers
	for _, b := range p.Bands {
		if b.Covers(input) {
			_, own := b.Rates.Get(d)
			has, tiers = has || own, b.Tiers
		}
	}
	if !has {
		d = []Dimension{Input, Output}[d.side()]
	}
	_, sold := tiers[tier].Get(d)
	return sold
}
