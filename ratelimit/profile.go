package ratelimit

import (
	"fmt"
	"math"
	"time"
)

// Counting says what of the output a provider counts when a request arrives.
type Counting int

// Ways of counting.
const (
	// CountSum counts the input and the whole output cap.
	CountSum Counting = iota
	// CountMax counts the larger of the two, as OpenAI documents (https://platform.openai.com/docs/guides/rate-limits).
	CountMax
	// CountInput counts the input only, as Gemini does (https://ai.google.dev/gemini-api/docs/rate-limits).
	CountInput
	// CountActual counts the tokens really used. Until they are known a cap counts, in full if the client wrote it and nothing was learned, else as far as answers go.
	CountActual
)

// Profile is how a provider counts and judges. The zero value is [Generic].
type Profile struct {
	Name string
	// Windows are judged each on its own: a limit per minute becomes its share of each. Default: one minute.
	Windows []time.Duration
	// Margin is added to each window: the provider sees arrival times, which are apart by the unequal delay of the network. A spread of one-way delay beyond it can cost
	// a 429. Default: 250 ms.
	Margin time.Duration
	// Pace is the share of the limit that is used. Default: 0.995.
	Pace float64
	// CatchUp is how much lateness of timers is made up for at most: so much of a window can pass its limit, if Pace and Margin leave no room. Default: 50 ms.
	CatchUp  time.Duration
	Counting Counting
	// Refund says that the provider gives back what it counted and was not used. With [CountActual] it says that caps count in full until the end.
	Refund bool
	// CacheReadsFree says that input read from the provider's prompt cache does not count.
	CacheReadsFree bool
	// Burst is how many idle requests go at once. Default: 1.
	Burst int
	// Day is the zone whose midnight begins a day. Default: UTC.
	Day *time.Location
}

// Generic is the profile of a provider nothing is known of.
func Generic() Profile { return Profile{Name: "generic"} }

// ProfileNamed returns the profile of that name: generic (also for ""), openai, anthropic, azure or gemini.
func ProfileNamed(name string) (Profile, error) {
	switch name {
	case "", "generic":
		return Generic(), nil
	case "openai":
		return Profile{Name: name, Counting: CountMax}, nil
	case "anthropic":
		// Output tokens are judged as they are produced, max_tokens plays no part; cache reads do not count (https://docs.anthropic.com/en/api/rate-limits).
		return Profile{Name: name, Counting: CountActual, CacheReadsFree: true}, nil
	case "azure":
		// Azure judges on 1 s or 10 s (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/quota). A margin as wide as that of a minute would cost
		// 2.5 % of 10 s. A single second has no room for a margin; there the pace leaves 15 ms, a third of which late timers may take.
		return Profile{
			Name: name, Windows: []time.Duration{10 * time.Second, time.Minute}, Margin: 100 * time.Millisecond, Pace: 0.985, CatchUp: 5 * time.Millisecond,
		}, nil
	case "gemini":
		// Days begin at midnight Pacific time.
		return Profile{Name: name, Counting: CountInput, Day: pacific()}, nil
	}
	return Profile{}, fmt.Errorf("ratelimit: profile %q is not known; want generic, openai, anthropic, azure or gemini", name)
}

// pacific is without daylight saving where the machine has no time zones: a day then begins an hour late in summer, never early.
func pacific() *time.Location {
	if zone, err := time.LoadLocation("America/Los_Angeles"); err == nil {
		return zone
	}
	return time.FixedZone("PST", -8*60*60)
}

func (p Profile) withDefaults() Profile {
	if len(p.Windows) == 0 {
		p.Windows = []time.Duration{time.Minute}
	}
	if p.Margin <= 0 {
		p.Margin = 250 * time.Millisecond
	}
	if p.Pace <= 0 || p.Pace > 1 {
		p.Pace = 0.995
	}
	if p.CatchUp <= 0 {
		p.CatchUp = 50 * time.Millisecond
	}
	if p.Day == nil {
		p.Day = time.UTC
	}
	p.Burst = max(p.Burst, 1)
	return p
}

const (
	// firstRatio is taken for tokens per byte, and firstOutput for the 95th percentile of an answer's tokens, until some were seen.
	firstRatio  = 1.0 / 3
	firstOutput = 512
	// most is the largest number of tokens that is taken at its word.
	most = math.MaxInt64 >> 16
)

// Estimate returns the tokens that the profile counts for a demand before anything was learned.
func Estimate(p Profile, d Demand) int64 {
	return p.estimate(d, firstRatio, firstOutput, false)[dimTokens]
}

// estimate returns what a call will count, given tokens per byte and the 95th percentile of output, known or not.
func (p *Profile) estimate(d Demand, ratio float64, output int64, known bool) weights {
	in := int64(min(max(math.Ceil(float64(d.InputBytes)*ratio-1e-9), 1), most))
	if d.InputTokens > 0 {
		in = min(d.InputTokens, most)
	}
	return p.count(in, p.output(d, output, known))
}

func (p *Profile) output(d Demand, p95 int64, known bool) int64 {
	limit := min(max(d.OutputCap, 0), most)
	switch {
	case p.Counting == CountInput:
		return 0
	case p.Counting != CountActual || p.Refund:
		return limit
	case limit == 0:
		return 2 * p95
	case known || d.CapInjected:
		return min(limit, 2*p95)
	default:
		return limit
	}
}

// settled returns what a call did count, given the provider's numbers.
func (p *Profile) settled(d Demand, in, out int64) weights {
	in, out = min(in, most), min(out, most)
	if !p.Refund && p.Counting != CountActual {
		out = p.output(d, 0, false)
	}
	if p.Counting == CountInput {
		out = 0
	}
	w := p.count(in, out)
	if p.Refund && p.Counting == CountMax {
		w[dimTokens] = in + out
	}
	return w
}

func (p *Profile) count(in, out int64) weights {
	if p.Counting == CountMax {
		return weights{1, max(in, out), in, out}
	}
	return weights{1, in + out, in, out}
}
