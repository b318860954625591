package usage

import (
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// mostReported is the largest price of one call that is taken for real, in dollars. The dearest calls that there are cost some hundred.
const mostReported = 10_000

// impossible marks a reported price that cannot be true.
const impossible money.USD = -1

// reported reads what the provider says it charged.
//
//   - OpenRouter: usage.cost, in dollars. Where the customer brought the key of another provider, that is the fee alone, and
//     the other provider's price comes on top (https://openrouter.ai/docs/use-cases/usage-accounting).
//   - xAI: usage.cost_in_usd_ticks, of which ten billion are a dollar (https://docs.x.ai/docs/api-reference).
//   - Perplexity: usage.cost.total_cost, in dollars (https://docs.perplexity.ai/getting-started/pricing).
func (c *counts) reported(u *Usage) {
	switch {
	case c.text[ticksWord] != "":
		u.ReportedBy, u.HasReported = "xai", true
		u.Reported = ofTicks(c.text[ticksWord])
	case c.text[totalWord] != "":
		u.ReportedBy, u.HasReported = "perplexity", true
		u.Reported = amount(c.text[totalWord])
	case c.text[costWord] != "":
		u.ReportedBy, u.HasReported = "openrouter", true
		u.Reported = amount(c.text[costWord])
		if c.text[ownKeyWord] != "true" {
			break
		}
		if c.text[upstreamWord] == "" { // what the other provider took is not told
			u.Fee, u.Reported, u.HasReported = max(u.Reported, 0), 0, false
			break
		}
		upstream := amount(c.text[upstreamWord])
		sum, err := u.Reported.Add(upstream)
		if u.Reported == impossible || upstream == impossible || err != nil {
			sum = impossible
		}
		u.Reported = sum
	}
}

// amount reads a price in dollars. What cannot be one comes back as impossible.
func amount(text string) money.USD {
	v, err := pricing.Dollars(text)
	if err != nil || v > mostReported*money.Dollar {
		return impossible
	}
	return v
}

// ofTicks reads a price in ten billionths of a dollar.
func ofTicks(text string) money.USD {
	n, err := count(text)
	if err != nil || n > mostReported*ticksPerDollar {
		return impossible
	}
	return money.USD(n) * (money.Dollar / ticksPerDollar)
}

const ticksPerDollar = 10_000_000_000
