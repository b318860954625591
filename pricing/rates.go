package pricing

import "github.com/andres20980/aurea-orchestrator/money"

// Dimension is a kind of token with a price of its own.
type Dimension uint8

// The dimensions. Each token of a call belongs to exactly one.
const (
	Input          Dimension = iota // read for the first time
	CacheRead                       // read from the provider's cache
	CacheWrite                      // written to it, for minutes
	CacheWrite1h                    // written to it for an hour
	AudioIn                         // sound sent to the model
	ImageIn                         // pictures sent to the model, where they have a price of their own
	CacheReadAudio                  // sound read from the cache, where it is not sold at the discount of cached text
	Output                          // text
	Reasoning                       // thinking that is billed apart from text
	AudioOut                        // sound from the model
	ImageOut                        // pictures from the model
	dimensions
)

var dimensionNames = [dimensions]string{
	"input", "cache_read", "cache_write", "cache_write_1h", "audio_input", "image_input", "cache_read_audio",
	"output", "reasoning", "audio_output", "image_output",
}

// String returns the name used in configuration and tables.
func (d Dimension) String() string { return dimensionNames[d] }

// Dimensions returns all kinds of token, in their order.
func Dimensions() []Dimension {
	all := make([]Dimension, dimensions)
	for d := range dimensions {
		all[d] = d
	}
	return all
}

// side is 0 for what goes into the model and 1 for what comes out.
func (d Dimension) side() int {
	if d < Output {
		return 0
	}
	return 1
}

// Rates are prices per token by dimension. A dimension may have none, which is not the same as zero. The zero value has no prices.
// Rates compare with == and are safe to share.
type Rates struct {
	pico  [dimensions]money.USD
	known uint16
}

// Get returns the price of one token, and whether there is one.
func (r Rates) Get(d Dimension) (money.USD, bool) { return r.pico[d], r.known&(1<<d) != 0 }

// With returns r with a price set.
func (r Rates) With(d Dimension, perToken money.USD) Rates {
	r.pico[d], r.known = perToken, r.known|1<<d
	return r
}

// Without returns r with no price for d.
func (r Rates) Without(d Dimension) Rates {
	r.pico[d], r.known = 0, r.known&^(1<<d)
	return r
}

// Empty reports whether no dimension has a price.
func (r Rates) Empty() bool { return r.known == 0 }
