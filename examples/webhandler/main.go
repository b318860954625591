// Webhandler answers questions over HTTP, each customer within a budget of his own, and streams what the model says. It asks itself a few questions and prints the
// answers. The provider is simulated, so it needs no key and no network, and costs nothing.
//
//	go run ./examples/webhandler
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/provider/anthropic"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// questions answers POST /ask: the body is the question, the header Customer says who asks.
type questions struct{ orch *aurea.Orchestrator }

func (q *questions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<10))
	if err != nil {
		http.Error(w, "the question is too long", http.StatusRequestEntityTooLarge)
		return
	}
	job, err := q.orch.Job("customer:"+r.Header.Get("Customer"), aurea.Cent/10) // opened again, it has what is left
	if err != nil {
		refuse(w, err)
		return
	}
	body, err := json.Marshal(map[string]any{
		"model": "claude-haiku-4-5", "max_tokens": 160, "stream": true,
		"messages": []map[string]string{{"role": "user", "content": string(question)}},
	})
	if err != nil {
		refuse(w, err)
		return
	}
	// The request's context ends with its client: then the provider's stream is closed too, and what it has cost is booked.
	stream, err := q.orch.Stream(r.Context(), aurea.Call{Job: job, API: usage.Messages, Body: body})
	if err != nil {
		refuse(w, err)
		return
	}
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			return // the status is sent already; the client sees that the answer breaks off
		}
		var piece struct{ Delta struct{ Text string } }
		if json.Unmarshal(event.Data, &piece) == nil {
			_, _ = io.WriteString(w, piece.Delta.Text)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// refuse answers what Aurea refused: its codes have HTTP statuses, and some say when to come back.
func refuse(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*aurea.Error](err)
	if !ok {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	http.Error(w, string(e.Code), e.Code.Status())
}

func run(ctx context.Context, out io.Writer) error {
	provider, err := simulate.Start("127.0.0.1:0", simulate.Options{Output: 60})
	if err != nil {
		return err
	}
	defer provider.Close()
	orch, err := aurea.New(aurea.Config{Providers: []aurea.Provider{
		anthropic.New(anthropic.Config{Name: "anthropic", BaseURL: provider.URL(), Keys: []string{"any"}}),
	}})
	if err != nil {
		return err
	}
	defer orch.Close()
	server := httptest.NewServer(&questions{orch})
	defer server.Close()

	for _, customer := range []string{"ada", "ada", "bob", "c/d"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/ask", strings.NewReader("Which rivers flow north?"))
		if err != nil {
			return err
		}
		req.Header.Set("Customer", customer)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d %s\n", customer, resp.StatusCode, strings.TrimSpace(string(answer)))
	}
	return nil
}
