// Package usage says what a model call costs: before it is made at most, and afterwards exactly.
//
// Before: [ReadRequest] reads of a request what bears on its price, without changing it, and [Bound] is the most that the request as sent
// can cost with a given output cap. A cap comes from the client, or from a [CapRule] and [InjectCap]. The bound needs no
// tokenizer: a token of a byte-level vocabulary is at least one byte of the body.
//
// After: [Parse] reads the token counts from the provider's raw answer, by the rules of each API, and [Cost] prices them; [ParseAny] finds out by itself
// whether the answer was streamed. What each API and provider counts, and what becomes of it, is a table in docs/usage.md. Where a provider reports
// what it charged, that is the cost, and [Own] is our own figure.
//
// While a stream passes: a [Meter] reads the counts from its bytes by the same rules, and of a stream that breaks off what it has proven. [IncludeUsage] asks for
// the counts in streams that would have none.
//
//	req, err := usage.ReadRequest(usage.Chat, body)
//	most, _, err := usage.Bound(price, req, req.OutputCap)
//	…
//	used, err := usage.Parse(usage.Chat, answer)
//	cost, err := usage.Cost(price, used)
//
// Counts are tokens and at most 1e12; money is exact. An answer whose counts are missing or impossible is an error, never a zero: the caller books
// what he held.
package usage
