package ratelimit

import (
	"errors"
	"fmt"
	"time"
)

// Limits are what a provider allows, for all processes that share them. 0 means no limit.
type Limits struct {
	RPM, TPM            int64 // requests, tokens of both directions per minute
	InputTPM, OutputTPM int64 // tokens per minute where the directions are counted apart
	RPD, TPD            int64 // requests, tokens per day; see Profile.Day for when it begins
	Concurrency         int64 // calls under way
	// GuessRPM and GuessTPM mark defaults that nobody vouches for: a provider's headers replace them in both directions, and a request larger than them goes alone, with
	// debt. Other limits are lowered by headers and raised only back to what they were, and refuse a request larger than themselves.
	GuessRPM, GuessTPM bool
}

// Class decides who goes first when several wait.
type Class int

// Classes: of five calls let through while both wait, four are interactive. What one class leaves idle the other takes.
const (
	Interactive Class = iota
	Batch
)

// classes is how many there are, and classCost how fast the virtual time of each runs: a token of a batch costs as much as four interactive ones.
const classes = 2

var classCost = [classes]float64{Interactive: 1, Batch: 4}

// Demand is what a call will ask of the provider.
type Demand struct {
	// InputBytes are the bytes of the request that become tokens, media apart.
	InputBytes int64
	// InputTokens, if above zero, is the caller's own count of them, and is believed.
	InputTokens int64
	// OutputCap is the output cap of the request in tokens, over all answers asked for; 0 for none.
	OutputCap int64
	// CapInjected says that nobody asked for the cap: it counts in full only where the provider counts caps.
	CapInjected bool
	Class       Class
}

// dims are the dimensions of a limit per minute, by index.
const (
	dimRequests = iota
	dimTokens
	dimInput
	dimOutput
	dimCount
)

var dimNames = [dimCount]string{"requests", "tokens", "input tokens", "output tokens"}

// weights is what a call takes of each dimension.
type weights [dimCount]int64

// Errors of [Limiter.Acquire], matched with errors.Is.
var (
	// ErrWouldWait: the call would have to wait longer than it may. The error is a [*WaitError].
	ErrWouldWait = errors.New("rate limit reached")
	// ErrTooLarge: the call alone is larger than a limit. The error is a [*TooLargeError].
	ErrTooLarge = errors.New("request larger than a rate limit")
)

// WaitError says when a call that may not wait would go through.
type WaitError struct {
	// RetryAfter is when a call of this size, coming then, goes through unless others come first. Where only the end of another call can make room it is a
	// second, or less where the end is near.
	RetryAfter time.Duration
	// Dimension is what is used up: requests, tokens, input tokens, output tokens, calls under way, requests of the day …
	Dimension string
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v (%s): there is room in %s", ErrWouldWait, e.Dimension, e.RetryAfter.Round(time.Millisecond))
}

// Is makes errors.Is(err, ErrWouldWait) true.
func (e *WaitError) Is(target error) bool { return target == ErrWouldWait }

// TooLargeError refuses a call that no waiting would help.
type TooLargeError struct {
	Dimension string // tokens, input tokens, output tokens, tokens of the day
	Size      int64  // what the call counts
	Limit     int64
}

func (e *TooLargeError) Error() string {
	per := "a minute"
	if e.Dimension == dayNames[dayTokens] {
		per = "a day"
	}
	return fmt.Sprintf("%v: it counts %d %s, the limit is %d %s", ErrTooLarge, e.Size, e.Dimension, e.Limit, per)
}

// Is makes errors.Is(err, ErrTooLarge) true.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
