// Package ratelimit lets calls through as fast as a provider's limits allow and no faster.
//
// Requests and tokens are taken together or not at all. Two layers decide when: calls are paced at 99.5 % of the limit on absolute times, and a sliding log per window keeps
// any window of the provider's, with a margin for unequal network delay, within the limit. Pacing alone is refused by providers that judge a window exactly; a window alone
// is refused by those that judge a second. The two together reach 99 % of the allowance on every common kind of enforcer without a refusal.
//
// What is counted is what the provider counts, which a [Profile] says, not what the call will cost. A [Limiter] learns from answers: how many tokens a byte is, how long answers are, what the
// limit really is. Waiters are served first come, first served within their class; classes share by weight.
//
// A Limiter is for one provider, key and model. It starts no goroutine.
package ratelimit
