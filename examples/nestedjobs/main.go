// Nestedjobs gives a project one budget and its parts smaller ones. What a part spends counts against both, and neither can be passed. The model is a function of the
// program, so it needs no key and no network, and costs nothing.
//
//	go run ./examples/nestedjobs
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

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
	book, err := orch.Job("book", 5*aurea.Cent)
	if err != nil {
		return err
	}
	for i := range 4 {
		chapter, err := book.Job(fmt.Sprintf("chapter-%d", i+1), 2*aurea.Cent) // four chapters could spend 8 cents, and the book has 5
		if err != nil {
			return err
		}
		pages := 0
		for ; err == nil; pages++ {
			err = write(ctx, chapter)
		}
		if !errors.Is(err, aurea.ErrBudgetExceeded) {
			return err
		}
		_, _, account, _ := aurea.Shortfall(err)
		fmt.Fprintf(out, "chapter %d: %d pages, %s dollars, stopped by %s\n", i+1, pages-1, chapter.Status().CostSummary.TotalCost, account)
	}
	cost := book.Status().CostSummary
	fmt.Fprintf(out, "book: %s of %s dollars\n", cost.TotalCost, cost.MaxCost)
	return nil
}

// write asks a model for a page.
func write(ctx context.Context, job *aurea.Job) error {
	call := aurea.ModelCall{Model: "gpt-4o", InputTokens: 400, OutputCap: 500}
	_, err := aurea.Execute(ctx, job, call, func(context.Context) (string, aurea.Usage, error) {
		return "a page", aurea.Usage{Input: 400, Output: 500}, nil // here the program's own client would be called
	})
	return err
}
