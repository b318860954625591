// Package aurea runs AI model calls under a hard budget.
//
// A job is any number of calls that share one purpose and one limit in dollars. Aurea promises that a job never spends past its limit, that it goes as fast as the
// provider's limits allow and no faster, that failures are ridden out without being multiplied, and that every cent can be shown afterwards.
//
// An [Orchestrator] is put together from parts that are handed in: a store, a hand on the money in it, providers, prices, rules.
//
//	st, err := sqlite.Open(ctx, "aurea.db", sqlite.Options{})
//	money, err := budget.Open(ctx, st, budget.Options{})
//	orch, err := aurea.New(aurea.Config{
//		Store: st, Tracker: money, Prices: pricing.Embedded(), Router: router,
//		Providers: []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: "https://api.openai.com/v1", Keys: keys})},
//	})
//	job, err := orch.OpenJob(ctx, aurea.JobSpec{Name: "nightly", Limit: &limit})
//	answer, err := orch.Do(ctx, aurea.Call{Job: job, API: usage.Chat, Body: body, MaxWait: time.Minute})
//
// [Orchestrator.Do] is the path of every call; it is in call.go and can be read in one sitting. What a provider answers, errors included, comes back as an
// [Answer]; what Aurea itself refuses is an [*Error] with a code, a message and what to do next.
//
// Each policy is a package of its own and useful alone: budget, ratelimit, breaker, retry, redact, pricing, usage.
package aurea
