package usage

import (
	"errors"
	"fmt"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

// ErrNoBound says that nothing limits what a request may cost: a limit of the model or a price is missing.
var ErrNoBound = errors.New("the cost of the request has no known bound")

// What a bound rests on.
const (
	BoundBytes   = "bytes"   // the length of the body
	BoundContext = "context" // the model's context window, because the body does not tell the input's length
	BoundCount   = "count"   // the caller's own count of tokens

	// The second look's; see docs/bound.md.
	BoundPrefix    = "prefix"    // what the provider counted for the turn before, and the bytes that are new
	BoundProvider  = "provider"  // the provider's own count of the request
	BoundTokenizer = "tokenizer" // a tokenizer's count of the long texts, and the bytes of the rest
)

// What a provider adds to the text of a request, in tokens, at most. OpenAI wraps a message in 3 or 4 tokens
// (https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken); Anthropic adds up to about 500 for tools, and up to about
// 700 for each of its own (https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview#pricing).
const (
	perRequest    = 64
	perMessage    = 8
	perTool       = 16
	perInstructed = 1024
	perBuiltin    = 1024
	// perImage holds where the model's own maximum is not known: 10,000 patches times the largest factor that OpenAI
	// uses (https://platform.openai.com/docs/guides/images-vision#calculating-costs).
	perImage = 25_000
	// bytesPerSound is the least base64 that a token of sound takes. At 32 tokens a second, the most that is in use
	// (https://ai.google.dev/gemini-api/docs/audio), it stands for 6 kbit/s; speech is sent at no less.
	bytesPerSound = 32
)

// Input is a bound on what a model reads for a request, in tokens by price.
type Input struct{ Text, Images, Audio int64 }

// Total returns the sum, which decides on long-context prices.
func (in Input) Total() int64 { return in.Text + in.Images + in.Audio }

// InputBound returns the most tokens that a request's body can be counted as. Where ok is false the body does not tell, and why says the reason;
// then the input is bounded by the model's context window alone.
//
// A token of the byte-level vocabularies in use is at least one byte of text, and text in JSON is never shorter than plain, so the bytes
// of the body bound its tokens; pictures and sound in base64 count by their own rules.
func InputBound(p pricing.Price, r Request) (in Input, ok bool, why string) {
	return inputBound(&p, &r)
}

func inputBound(p *pricing.Price, r *Request) (in Input, ok bool, why string) {
	if r.InputTokens > 0 {
		return Input{Text: r.InputTokens}, true, ""
	}
	in.Text = r.BodyBytes - r.MediaBytes + perRequest + perMessage*r.Messages + perTool*r.Tools + perBuiltin*r.BuiltinTools
	if r.API == Messages && (r.Tools > 0 || r.Structured) {
		in.Text += perInstructed
	}
	in.Images = imageTokens(p) * r.Images
	if r.AudioBytes > 0 {
		in.Audio = r.AudioBytes/bytesPerSound + perMessage*r.Messages
	}
	if len(r.Unbounded) > 0 {
		return in, false, r.Unbounded[0]
	}
	return in, true, ""
}

func imageTokens(p *pricing.Price) int64 {
	if p.ImageTokens > 0 {
		return p.ImageTokens
	}
	return perImage
}

// window is the most that a model reads at a time. A price for inputs beyond the window that the table knows shows that there is a larger one, such as the million
// tokens that some of Anthropic's models have for those who ask for it (https://docs.claude.com/en/docs/build-with-claude/context-windows).
func window(p *pricing.Price) int64 {
	w := p.ContextWindow
	for _, b := range p.Bands {
		if w > 0 && b.Over >= w {
			w = max(largeWindow, b.Over+1)
		}
	}
	return w
}

const largeWindow = 1_000_000

// Bound returns the most that a request can cost as it is sent, with outputCap tokens of output per choice, and what the bound rests
// on. It takes the dearest price that can apply: cache writes where the request asks for them or the model makes them
// unasked, long-context prices if the bound crosses their threshold, priority where it is asked for or left to the provider ("auto";
// a request that says nothing gets the ordinary tier, unless its OpenAI project is set up otherwise), a dearer place unless another is named.
//
// It returns an error matching [ErrNoBound] where nothing limits the cost, and [money.ErrOverflow] where no amount can hold it.
func Bound(p pricing.Price, r Request, outputCap int64) (most money.USD, kind string, err error) {
	return bound(&p, &r, outputCap)
}

func bound(p *pricing.Price, r *Request, outputCap int64) (most money.USD, kind string, err error) {
	if p.Free {
		return 0, BoundBytes, nil
	}
	if r.Unpriced != "" {
		return 0, "", fmt.Errorf("%w: %s", ErrNoBound, r.Unpriced)
	}
	in, ok, why := inputBound(p, r)
	kind = BoundBytes
	if !ok {
		kind = BoundContext
		if p.ContextWindow <= 0 {
			return 0, "", fmt.Errorf("%w: %s, and the context window of %s is not known", ErrNoBound, why, p.Name)
		}
		in.Text = max(in.Text, window(p))
		in.Text = product(in.Text, max(r.Rounds, 1))
	}
	out := output(r, outputCap)
	if outputCap < 0 || out > maxCount || in.Total() > maxCount {
		return 0, "", fmt.Errorf("%w: %d tokens in, %d choices of %d tokens out", money.ErrOverflow, in.Total(), r.Choices, outputCap)
	}
	for _, tier := range tiersOf(p, r) {
		cost, err := worst(p, r, tier, in, out)
		if err != nil {
			return 0, "", err
		}
		most = max(most, cost)
	}
	most, err = factors(p, r, most)
	if err != nil {
		return 0, "", err
	}
	if most, err = fees(p, most, r.WebSearches, r.FileSearches); err == nil {
		most, err = most.Add(r.ContainerFee)
	}
	return most, kind, err
}

// BoundTokens returns the most that a call with so many tokens of input and of output can cost in the ordinary tier: every token at the dearest price that
// can apply to it. The errors are those of [Bound].
func BoundTokens(p pricing.Price, in, out int64) (money.USD, error) {
	if p.Free {
		return 0, nil
	}
	if in < 0 || out < 0 || in > maxCount || out > maxCount {
		return 0, fmt.Errorf("%w: %d tokens in, %d tokens out", money.ErrOverflow, in, out)
	}
	most, err := worst(&p, &anything, pricing.Standard, Input{Text: in}, out)
	if err != nil {
		return 0, err
	}
	if most, err = factors(&p, &anything, most); err != nil {
		return 0, err
	}
	return fees(&p, most, 0, 0)
}

// anything is a request of which nothing is known.
var anything Request

// output is the most tokens of output, all choices together. Rejected tokens of a prediction
// are billed as output; OpenAI counts them within the cap, but does not say for every model, so they are added. Thinking is inside the cap too,
// except that Anthropic lets the budget of interleaved thinking exceed it.
func output(r *Request, outputCap int64) int64 {
	if r.API == Embeddings {
		return 0
	}
	each := outputCap + r.PredictedBytes
	if r.ThinkingBudget > outputCap {
		each += r.ThinkingBudget
	}
	for _, why := range r.Unbounded {
		if why == compacted {
			each *= 2
		}
	}
	return product(each, max(r.Choices, 1))
}

// tiersOf lists the tiers in which the request may be served.
func tiersOf(p *pricing.Price, r *Request) []string {
	switch r.Tier {
	case "", "default", "standard", "standard_only", "scale", "on_demand":
		return ordinary
	case "flex", "batch":
		return []string{pricing.Standard, r.Tier} // a provider without that tier serves the ordinary one
	case "auto":
		if !p.HasTier(pricing.Priority) {
			return ordinary
		}
	}
	return []string{pricing.Standard, pricing.Priority, Tier(r.Tier)}
}

var ordinary = []string{pricing.Standard}

// worst is the most that the tokens can cost in a tier, over the bands that the input may reach.
func worst(p *pricing.Price, r *Request, tier string, in Input, out int64) (most money.USD, err error) {
	var few [4]int64
	reach := few[:1]
	for _, b := range p.Bands {
		if b.Covers(in.Total()) {
			reach = append(reach, b.Over+1)
		}
	}
	for _, tokens := range reach {
		cost, err := inBand(p, r, p.For(tier, tokens), in, out)
		if err != nil {
			return 0, err
		}
		_, known := tierOf(r.Tier)
		if cost, err = unpricedTier(p, tier, known).Of(cost); err != nil {
			return 0, err
		}
		most = max(most, cost)
	}
	return most, nil
}

func inBand(p *pricing.Price, r *Request, rates pricing.Rates, in Input, out int64) (total money.USD, err error) {
	read := append(make([]pricing.Dimension, 0, 4), pricing.Input, pricing.CacheRead)
	if r.CacheControl || r.API != Messages { // newer models of OpenAI's write unasked
		read = append(read, pricing.CacheWrite)
	}
	if r.TTL1h {
		read = append(read, pricing.CacheWrite1h)
	}
	write := append(make([]pricing.Dimension, 0, 4), pricing.Output, pricing.Reasoning, pricing.ImageOut)
	if r.AudioOut {
		write = append(write, pricing.AudioOut)
	}
	text, ok := dearest(rates, read)
	if !ok {
		return 0, fmt.Errorf("%w: %s has no price of input", ErrNoBound, p.Name)
	}
	answer, ok := dearest(rates, write)
	if !ok && out > 0 {
		return 0, fmt.Errorf("%w: %s has no price of output", ErrNoBound, p.Name)
	}
	image, _ := rates.Get(pricing.ImageIn)
	audio, _ := dearest(rates, []pricing.Dimension{pricing.AudioIn, pricing.CacheReadAudio})
	if len(r.Unbounded) > 0 || r.InputTokens > 0 && (r.Images > 0 || r.AudioBytes > 0) {
		text = max(text, image, audio) // what is not in the body may be anything, and what is counted together too
	}
	for _, part := range []struct {
		rate   money.USD
		tokens int64
	}{{text, in.Text}, {max(text, image), in.Images}, {max(text, audio), in.Audio}, {answer, out}} {
		cost, err := part.rate.Mul(part.tokens)
		if err != nil {
			return 0, err
		}
		if total, err = total.Add(cost); err != nil {
			return 0, err
		}
	}
	return total, nil
}

func dearest(rates pricing.Rates, among []pricing.Dimension) (most money.USD, ok bool) {
	for _, d := range among {
		if rate, has := rates.Get(d); has {
			most, ok = max(most, rate), true
		}
	}
	return most, ok
}

// factors multiplies the price of the tokens by the dearest place and speed that the request may get.
func factors(p *pricing.Price, r *Request, u money.USD) (most money.USD, err error) {
	named, _ := placeFactor(p, r.Geo)
	if most, err = named.Of(u); err != nil {
		return 0, err
	}
	for _, factor := range p.Geo {
		if r.Geo != "" {
			break
		}
		there, err := factor.Of(u)
		if err != nil {
			return 0, err
		}
		most = max(most, there)
	}
	most = max(most, u)
	if r.Fast {
		return fastFactor(p).Of(most)
	}
	return most, nil
}
