// Package aurea runs AI model calls under a hard budget.
//
// A job is any number of calls that share one purpose and one limit in dollars. Aurea promises that a job never spends past its limit, that it goes
// as fast as the provider's limits allow and no faster, that failures are ridden out without being multiplied, and that every cent can be shown afterwards.
//
//	orch, err := aurea.New(aurea.Config{})
//	defer orch.Close()
//	job, err := orch.Job("summaries", 5*aurea.Dollar)
//
//	client := openai.NewClient(option.WithMaxRetries(0)) // Execute retries, with a hold for each
//	call := aurea.ModelCall{Model: "gpt-4o-mini", InputTokens: 1_200, OutputCap: 500}
//	text, err := aurea.Execute(ctx, job, call, func(ctx context.Context) (string, aurea.Usage, error) {
//		answer, err := client.Chat.Completions.New(ctx, request) // any client at all
//		if err != nil {
//			return "", aurea.Usage{}, err
//		}
//		return answer.Choices[0].Message.Content, aurea.Usage{Input: answer.Usage.PromptTokens, Output: answer.Usage.CompletionTokens}, nil
//	})
//	if errors.Is(err, aurea.ErrBudgetExceeded) { … }
//
// # What happens around the function
//
// [Execute] takes the call along one path, which is the same for all calls:
//
//	may the model be called, and what does it cost?   else ErrModelNotAllowed, ErrPriceUnknown
//	┌ is its circuit open?                            else ErrCircuitOpen
//	│ hold the worst it can cost                      waits while others may free enough, else ErrBudgetExceeded
//	│ wait for the provider's allowance               else ErrRateLimited
//	│ run the function
//	│ book what it used in the place of the hold
//	└ again, if its error says that this helps        3 times, after 1 s, 2 s, 4 s and never sooner than the provider says
//
// The hold is what makes the limit hard: at every moment what is spent, what is held and what is unconfirmed are together within the limit, whatever
// the number of goroutines, of processes on the same store, and of crashes. Money is counted in integers of a millionth of a millionth of a dollar: see [USD].
//
// # Calls that Aurea sends itself
//
// With Providers in its [Config], an Orchestrator also sends requests in a provider's own format: [Orchestrator.Do] returns the whole answer, [Orchestrator.Stream] a
// stream as it comes. The bodies pass through as they are, the usage is read from the answer, and an output cap is put into requests that have none. An error that a
// provider answers is an answer, with the provider's status and body; what Aurea refuses is an *[Error] with a code, a message and what to do next.
//
//	settings := aurea.Config{Providers: []aurea.Provider{openai.New(openai.Config{Name: "openai", BaseURL: "https://api.openai.com/v1", Keys: keys})}}
//	answer, err := orch.Do(ctx, aurea.Call{Job: job, API: usage.Chat, Body: body, MaxWait: time.Minute})
//
// # Jobs
//
// A job has a name and a limit, and keeps both: opening it again, here or in another process, goes on with what is left. A job below another one
// ([Job.Job]) draws on both limits. [Job.Status] says what was spent, by model. Money of a call whose end nobody knows, because the connection broke or the process was killed, stays
// unconfirmed: it counts against the limit until somebody reconciles it.
//
// # Where the books are
//
// By default in memory, gone with the process. With a store of package store/sqlite they survive it, kill -9 included, and several processes share them:
//
//	settings.Store, err = sqlite.Open(ctx, "aurea.db", sqlite.Options{})
//
// Package setup makes a Config of the environment, .env and aurea.yaml. Package batch runs files of requests durably. Package aureatest is for tests of programs that use Aurea.
//
// # Parts
//
// Each policy is of use without the rest: [CostTracker], [RateLimiter], [CircuitBreaker], [Retry], [Redactor], or the packages behind them: budget, ratelimit,
// breaker, retry, redact, pricing, usage, policy.
//
// Everything exported here is safe for concurrent use, unless it says otherwise. Who starts an Orchestrator closes it; there is one per process, because limits and breakers are
// shared by all jobs.
package aurea
