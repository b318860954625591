package aurea_test

import (
	"context"
	"errors"
	"fmt"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// ask stands for a program's own client.
func ask(_ context.Context, question string) (string, aurea.Usage, error) {
	return "Ebro, Duero, Tajo", aurea.Usage{Input: int64(len(question) / 4), Output: 8}, nil
}

func run(ctx context.Context) error {
	orch, err := aurea.New(aurea.Config{})
	if err != nil {
		return err
	}
	defer orch.Close()

	job, err := orch.Job("summaries", 5*aurea.Dollar)
	if err != nil {
		return err
	}
	call := aurea.ModelCall{Model: "gpt-4o-mini", InputTokens: 1_200, OutputCap: 500}
	text, err := aurea.Execute(ctx, job, call, func(ctx context.Context) (string, aurea.Usage, error) {
		return ask(ctx, "Name three rivers.") // your client: the answer, what it counted, its error
	})
	if errors.Is(err, aurea.ErrBudgetExceeded) {
		return err // nothing was sent
	}
	fmt.Println(text)
	fmt.Println(job.Status().CostSummary.TotalCost, "USD")
	return err
}

// The example of the README: a limit around a function of one's own.
func Example() {
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ebro, Duero, Tajo
	// 0.0000054 USD
}
