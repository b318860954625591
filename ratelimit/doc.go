// Package ratelimit lets calls through as fast as a provider's limits allow and no faster.
//
//	l := ratelimit.New(ratelimit.Limits{RPM: 500, TPM: 200_000}, profile)
//	permit, err := l.Acquire(ctx, ratelimit.Demand{InputBytes: 2_400, OutputCap: 500}, time.Minute)
//	if err != nil {
//		return err // *WaitError says when to come back, *TooLargeError what to make smaller
//	}
//	// send the call, and then
//	permit.Done(ratelimit.Feedback{Status: 200, Header: answer.Header, InputTokens: 610, OutputTokens: 112})
//
// # When a call goes
//
// Requests and tokens are taken together or not at all. Two layers decide when: calls are paced at 99.5 % of the limit on absolute times, and a sliding log
// keeps every window that the provider may judge within the limit, with a margin for unequal network delay. Pacing alone is refused by providers that judge a
// window exactly; a log alone is refused by those that judge a second. Together they reach 99 % of the allowance on sliding windows, token buckets (also small
// ones) and fixed windows without a refusal.
//
// # What it counts
//
// It counts what the provider counts, which a [Profile] says, not what the call will cost. Before the answer that is an estimate; the answer's own count replaces
// it, and teaches how many tokens a byte is, how long answers are, and, from the headers, what the limit is and how the provider counts.
//
// # Who goes
//
// First come, first served within a class; of five calls that go while both classes wait, four are interactive. The first in line holds back who comes after, so a
// large call cannot starve. Who leaves the line took nothing, and nobody waits because of it.
//
// A [Limiter] is for one provider, key and model; a [Registry] keeps them by [Key]. Nothing here starts a goroutine that outlives a moment: waiting callers sleep
// in Acquire, and one timer wakes the first of them.
package ratelimit
