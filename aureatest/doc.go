// Package aureatest is for tests of programs that use package aurea: an orchestrator in memory with a fake provider behind it, a record of what was called and
// booked, and assertions. Nothing in it needs a key, a network or a port.
//
//	func TestSummarize(t *testing.T) {
//		orch := aureatest.New(t)
//		job, err := orch.Job("test", aurea.Dollar)
//		…
//		orch.Provider.Script(
//			aureatest.Step{Status: 503}, // the first request fails
//			aureatest.Says(usage.Chat, "a summary", aurea.Usage{Input: 900, Output: 40}),
//		)
//		summarize(t.Context(), orch.Orchestrator, job)
//
//		aureatest.RequireRequests(t, orch.Provider, 2)
//		aureatest.RequireSpent(t, job, "0.00098")
//	}
//
// # The provider
//
// It is a [simulate.Server], and what it is asked travels as HTTP through the ordinary clients of provider/openai and provider/anthropic, over connections in memory.
// Without a script it answers at once with made-up text. [Provider.Script] says how the next requests are answered: a [Step] has statuses, headers, delays, broken
// connections; [Says] and [Streams] make one of a text. [Provider.Configure] sets limits, latencies and chance. [Provider.Client] is for programs that make their
// requests themselves, inside [aurea.Execute].
//
// # Prices
//
// [Model] costs a dollar per million tokens of input and two of output, so that one token is 0.000001 or 0.000002 dollars, and [FreeModel] nothing. All models with a
// built-in price have theirs.
//
// # Time
//
// Everything works inside a bubble of [testing/synctest], where a retry after a minute and a day of limits take no time: make the orchestrator inside. Outside one,
// time is real; the retries begin at a millisecond instead of a second.
package aureatest
