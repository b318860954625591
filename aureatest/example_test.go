package aureatest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// exampleTB stands for the *testing.T that a test has and an example has not.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (e *exampleTB) Helper()                      {}
func (e *exampleTB) Cleanup(f func())             { e.cleanups = append(e.cleanups, f) }
func (e *exampleTB) Errorf(text string, a ...any) { fmt.Printf(text+"\n", a...) }
func (e *exampleTB) Fatalf(text string, a ...any) { panic(fmt.Sprintf(text, a...)) }
func (e *exampleTB) end() {
	for _, cleanup := range slices.Backward(e.cleanups) {
		cleanup()
	}
}

// A test of a program that asks a model: the provider fails at first, and the program gets its answer all the same.
func Example() {
	t := &exampleTB{} // in a test: its *testing.T
	defer t.end()

	orch := aureatest.New(t)
	job, err := orch.Job("test", aurea.Dollar)
	if err != nil {
		t.Fatalf("%v", err)
	}
	orch.Provider.Script(
		aureatest.Step{Status: 503},
		aureatest.Says(usage.Chat, "Ahoy!", aurea.Usage{Input: 20, Output: 5}),
	)

	// The program under test would do this.
	answer, err := orch.Do(context.Background(), aurea.Call{
		Job: job, API: usage.Chat, Body: []byte(`{"model":"test-model","messages":[{"role":"user","content":"Hello!"}],"max_tokens":50}`),
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(answer.Attempts, "attempts,", answer.Cost, "dollars")

	aureatest.RequireRequests(t, orch.Provider, 2)
	aureatest.RequireOutcomes(t, orch, job, "error", "ok")
	aureatest.RequireSpent(t, job, "0.00003")
	// Output: 2 attempts, 0.00003 dollars
}

// A function that is run by Execute has its own client; here it is the fake provider's.
func ExampleProvider_Client() {
	t := &exampleTB{}
	defer t.end()
	orch := aureatest.New(t)
	job, err := orch.Job("test", aurea.Dollar)
	if err != nil {
		t.Fatalf("%v", err)
	}
	orch.Provider.Script(aureatest.Says(usage.Completions, "Good day", aurea.Usage{Input: 4, Output: 2}))

	call := aurea.ModelCall{Model: aureatest.Model, InputTokens: 4, OutputCap: 10}
	text, err := aurea.Execute(context.Background(), job, call, func(ctx context.Context) (string, aurea.Usage, error) {
		return complete(ctx, orch.Provider.Client(), "Hello!") // the program under test
	})
	fmt.Println(text, err)
	aureatest.RequireSpent(t, job, "0.000008")
	// Output: Good day <nil>
}

// complete asks for a completion as a program does that has its own client.
func complete(ctx context.Context, client *http.Client, prompt string) (string, aurea.Usage, error) {
	body, err := json.Marshal(map[string]any{"model": aureatest.Model, "prompt": prompt, "max_tokens": 10})
	if err != nil {
		return "", aurea.Usage{}, aurea.NotSent(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://models.example/v1/completions", bytes.NewReader(body))
	if err != nil {
		return "", aurea.Usage{}, aurea.NotSent(err)
	}
	req.Header.Set("Authorization", "Bearer anything")
	resp, err := client.Do(req)
	if err != nil {
		return "", aurea.Usage{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", aurea.Usage{}, &aurea.HTTPError{Status: resp.StatusCode, Header: resp.Header}
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", aurea.Usage{}, err
	}
	u, err := usage.Parse(usage.Completions, answer)
	if err != nil {
		return "", aurea.Usage{}, err
	}
	var said struct{ Choices []struct{ Text string } }
	if err := json.Unmarshal(answer, &said); err != nil || len(said.Choices) == 0 {
		return "", u, errors.Join(errors.New("no choice in the answer"), err)
	}
	return said.Choices[0].Text, u, nil
}

// An answer that streams, and one that stops in the middle.
func ExampleStreams() {
	t := &exampleTB{}
	defer t.end()
	orch := aureatest.New(t)
	job, err := orch.Job("test", aurea.Dollar)
	if err != nil {
		t.Fatalf("%v", err)
	}
	cut := aureatest.Streams(usage.Chat, aurea.Usage{Input: 3, Output: 2}, "Hello", " world")
	cut.Truncate = 300
	orch.Provider.Script(aureatest.Streams(usage.Chat, aurea.Usage{Input: 3, Output: 2}, "Hello", " world"), cut)

	for range 2 {
		stream, err := orch.Stream(context.Background(), aurea.Call{
			Job: job, API: usage.Chat, Body: []byte(`{"model":"test-model","stream":true,"messages":[{"role":"user","content":"Hi"}],"max_tokens":50}`),
		})
		if err != nil {
			t.Fatalf("%v", err)
		}
		n := 0
		for _, err := range stream.Events() {
			if err != nil {
				fmt.Println("cut:", aurea.ErrorCode(err))
				break
			}
			n++
		}
		a := stream.Answer()
		fmt.Println(n, "events,", a.Cost, "dollars spent,", a.Unconfirmed > 0)
	}
	aureatest.RequireOutcomes(t, orch, job, "ok", "cut")
	// Output:
	// 4 events, 0.000007 dollars spent, false
	// cut: upstream_error
	// 1 events, 0.000002 dollars spent, true
}
