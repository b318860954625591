// Agentloop lets an agent think in steps until it has an answer or its money is used up, and shows that an agent that runs in circles is stopped by its budget. The
// model is a function of the program, so it needs no key and no network, and costs nothing.
//
//	go run ./examples/agentloop
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	orch, err := aurea.New(aurea.Config{})
	if err != nil {
		return err
	}
	defer orch.Close()
	for _, task := range []string{"What is 6 times 7?", "Find the end of the circle."} {
		job, err := orch.Job(strings.Fields(task)[0], 2*aurea.Cent)
		if err != nil {
			return err
		}
		answer, err := agent(ctx, job, task)
		if errors.Is(err, aurea.ErrBudgetExceeded) {
			answer, err = "(stopped: the budget is used up)", nil
		}
		if err != nil {
			return err
		}
		cost := job.Status().CostSummary
		fmt.Fprintf(out, "%s %s\n  %d steps, %s of %s dollars\n", task, answer, cost.UsageByModel["gpt-4o"].Calls, cost.TotalCost, cost.MaxCost)
	}
	return nil
}

// agent asks the model again and again, each time with all that was said before, as agents do. There is no limit of steps: the budget is one.
func agent(ctx context.Context, job *aurea.Job, task string) (string, error) {
	transcript := task
	for {
		call := aurea.ModelCall{Model: "gpt-4o", InputTokens: tokens(transcript), OutputCap: 100}
		said, err := aurea.Execute(ctx, job, call, func(context.Context) (string, aurea.Usage, error) {
			text := model(transcript) // here the program's own client would be called, with max_tokens 100
			return text, aurea.Usage{Input: tokens(transcript), Output: tokens(text)}, nil
		})
		if err != nil {
			return "", err
		}
		if answer, ok := strings.CutPrefix(said, "ANSWER "); ok {
			return answer, nil
		}
		transcript += "\n" + said + "\n" + tool(said)
	}
}

// model stands for a model: it multiplies with a tool, and never gets out of a circle.
func model(transcript string) string {
	switch {
	case strings.Contains(transcript, "RESULT 42"):
		return "ANSWER 42"
	case strings.Contains(transcript, "6 times 7"):
		return "CALL multiply 6 7"
	default:
		return "CALL walk on along the circle and look whether it has ended by now"
	}
}

func tool(call string) string {
	var a, b int
	if _, err := fmt.Sscanf(call, "CALL multiply %d %d", &a, &b); err == nil {
		return fmt.Sprint("RESULT ", a*b)
	}
	return "RESULT nothing new, and nothing old"
}

// tokens is a guess from above; the bill goes by what the model's provider counts.
func tokens(text string) int64 { return int64(len(text)) }
