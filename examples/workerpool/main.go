// Workerpool summarizes documents with eight workers until the work or the money is used up. It asks a simulated provider, so it needs no key and no network, and
// costs nothing.
//
//	go run ./examples/workerpool
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/openai"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// In place of a provider. With a real one: BaseURL https://api.openai.com/v1 and your key.
	provider, err := simulate.Start("127.0.0.1:0", simulate.Options{Output: 40})
	if err != nil {
		return err
	}
	defer provider.Close()
	orch, err := aurea.New(aurea.Config{Providers: []aurea.Provider{
		openai.New(openai.Config{Name: "openai", BaseURL: provider.URL() + "/v1", Keys: []string{"any"}}),
	}})
	if err != nil {
		return err
	}
	defer orch.Close()
	job, err := orch.Job("summaries", aurea.Cent/5)
	if err != nil {
		return err
	}

	documents := make(chan string)
	go func() {
		defer close(documents)
		for i := range 100 {
			documents <- fmt.Sprintf("document %02d: …", i)
		}
	}()

	var done, refused atomic.Int64
	var failed error
	var once sync.Once
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for document := range documents {
				switch err := summarize(ctx, orch, job, document); {
				case err == nil:
					done.Add(1)
				case errors.Is(err, aurea.ErrBudgetExceeded):
					refused.Add(1) // nothing was sent for this one
				default:
					once.Do(func() { failed = err })
				}
			}
		})
	}
	workers.Wait()

	cost := job.Status().CostSummary
	fmt.Fprintf(out, "%d summaries, %d documents left when the money was used up\n", done.Load(), refused.Load())
	fmt.Fprintf(out, "within the limit: %t\n", cost.TotalCost.Plus(cost.Unconfirmed).Cmp(cost.MaxCost) <= 0)
	return failed
}

// summarize asks for one summary. The call waits for its share of the money and of the provider's allowance, and is repeated when the provider fails.
func summarize(ctx context.Context, orch *aurea.Orchestrator, job *aurea.Job, document string) error {
	body, err := json.Marshal(map[string]any{
		"model": "gpt-4o-mini", "max_completion_tokens": 60,
		"messages": []map[string]string{{"role": "user", "content": "Summarize in one sentence. " + document}},
	})
	if err != nil {
		return err
	}
	answer, err := orch.Do(ctx, aurea.Call{Job: job, API: usage.Chat, Body: body, MaxWait: -1})
	if err != nil {
		return err
	}
	if !answer.OK() { // what the provider said, and retries did not mend
		return fmt.Errorf("status %d: %s", answer.Status, answer.Body)
	}
	return nil
}
