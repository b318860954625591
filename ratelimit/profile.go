package ratelimit

import (
	"fmt"
	"time"
)

// Limits are what a provider allows. 0 means no limit.
type Limits struct {
	RPM, TPM            int64 // requests, tokens of both directions per minute
	InputTPM, OutputTPM int64 // tokens per minute where the directions are counted apart
	RPD, TPD            int64 // requests, tokens per day (UTC)
	Concurrency         int64 // calls under way
	// GuessRPM and GuessTPM mark defaults that nobody vouches for: a provider's headers replace them in both directions, and a request larger than them goes alone, with
	// debt. Other limits are lowered by headers and raised only back to what they were.
	GuessRPM, GuessTPM bool
}

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
	// CountActual counts the tokens really used.
	CountActual
)

// Profile is how a provider counts and judges.
type Profile struct {
	Name string
	// Windows are judged each on its own: a limit per minute becomes its share of each. Default: one minute.
	Windows []time.Duration
	// Margin is added to each window: the provider sees arrival times, which are apart by the unequal delay of the network. Default: 250 ms.
	Margin   time.Duration
	Counting Counting
	// Refund says that the provider gives back what it counted and was not used.
	Refund bool
	// Burst is how many idle requests go at once. Default: 1.
	Burst int
}

// Generic is the profile of a provider nothing is known of.
func Generic() Profile { return Profile{Name: "generic"} }

// ProfileNamed returns the profile of that name: generic, openai, anthropic, azure or gemini.
func ProfileNamed(name string) (Profile, error) {
	switch name {
	case "", "generic":
		return Generic(), nil
	case "openai":
		return Profile{Name: name, Counting: CountMax}, nil
	case "anthropic":
		// Rate limits of Anthropic's API: output tokens are judged as they are produced, max_tokens plays no part (https://docs.anthropic.com/en/api/rate-limits).
		return Profile{Name: name, Counting: CountActual}, nil
	case "azure":
		// Azure judges requests on 1 s or 10 s windows (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/quota).
		return Profile{Name: name, Windows: []time.Duration{10 * time.Second, time.Minute}, Margin: 100 * time.Millisecond}, nil
	case "gemini":
		return Profile{Name: name, Counting: CountInput}, nil
	}
	return Profile{}, fmt.Errorf("ratelimit: profile %q is not known; want generic, openai, anthropic, azure or gemini", name)
}

func (p Profile) withDefaults() Profile {
	if len(p.Windows) == 0 {
		p.Windows = []time.Duration{time.Minute}
	}
	if p.Margin == 0 {
		p.Margin = 250 * time.Millisecond
	}
	p.Burst = max(p.Burst, 1)
	return p
}

// Class decides who goes first when several wait.
type Class int

// Classes: of five calls let through while both wait, four are interactive.
const (
	Interactive Class = iota
	Batch
)

// Demand is what a call will ask of the provider.
type Demand struct {
	// InputBytes are the bytes of the request that become tokens, media apart.
	InputBytes int64
	// OutputCap is the output cap of the request in tokens, over all answers asked for; 0 for none.
	OutputCap int64
	// CapInjected says that nobody asked for the cap: it counts in full only where the provider counts caps.
	CapInjected bool
	Class       Class
}

// firstRatio is taken for tokens per byte, and firstOutput for the tokens of an answer, until some were seen.
const (
	firstRatio  = 1.0 / 3
	firstOutput = 512
)

// Estimate returns the tokens that the profile counts for a demand before anything was learned.
func Estimate(p Profile, d Demand) int64 {
	in, out := estimate(p, d, firstRatio, firstOutput)
	return combine(p, in, out)
}

// estimate returns input and output tokens as the provider will count them.
func estimate(p Profile, d Demand, ratio float64, output int64) (in, out int64) {
	in = max(int64(float64(d.InputBytes)*ratio), 1)
	switch p.Counting {
	case CountInput:
		return in, 0
	case CountActual:
		out = 2 * output
		if d.OutputCap > 0 {
			out = min(out, d.OutputCap)
		}
		return in, out
	default:
		return in, d.OutputCap
	}
}

func combine(p Profile, in, out int64) int64 {
	if p.Counting == CountMax {
		return max(in, out)
	}
	return in + out
}
