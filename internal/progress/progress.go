// Package progress shows where a run stands: as JSON lines for programs, as plain lines on a pipe, as a live view on a terminal. Each is a [Reporter], and all three
// show the same [View].
package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/andres20980/aurea-orchestrator/money"
)

// State is what a run does at the moment.
type State string

// States. Their names are a contract: --json writes them.
const (
	Running     State = "running"
	CircuitOpen State = "circuit_open" // a provider fails, and is left alone for a while
	OnBudget    State = "budget"       // the budget does not cover the next call; those on the wire are waited for
	Stopping    State = "stopping"     // told to stop; calls on the wire are waited for
	Stopped     State = "stopped"      // nothing is on the wire any more, and items are left
	Done        State = "done"
)

// Breaker is a provider's model that is left alone because it failed.
type Breaker struct {
	Name  string        // PROVIDER/MODEL
	Again time.Duration // until it is tried again, 0 if that is now
}

// Failure is a code that items failed with, and how many.
type Failure struct {
	Code  string
	Items int64
}

// View is where a run stands.
type View struct {
	Job                 string
	State               State
	Total, Done, Failed int64
	Elapsed, ETA        time.Duration
	Spent, Limit        money.Sum
	Held                money.Sum // by calls under way
	Unconfirmed         money.Sum
	CallsPerMinute      float64
	TokensPerMinute     float64
	RPM, TPM            int64 // of all models together, 0 for no limit
	Attempts, Retries   int64
	Waiting             int64     // calls that wait for the provider's allowance
	WaitingFor          []string  // the models whose allowance that is
	Breakers            []Breaker // that are not closed
	Failures            []Failure // of this run, the most frequent first
}

// Mode is how a view is shown.
type Mode int

// Modes.
const (
	Plain Mode = iota
	JSON
	Terminal
)

// Detect returns Terminal for a terminal that can be drawn on, else Plain.
func Detect(out io.Writer, environ func(string) (string, bool)) Mode {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return Plain
	}
	if name, _ := environ("TERM"); name == "dumb" || name == "" {
		return Plain
	}
	return Terminal
}

// Reporter shows views of one run. Its methods are called from one goroutine.
type Reporter interface {
	// Every is how long to wait between two reports.
	Every() time.Duration
	// Report shows where the run stands.
	Report(v View)
	// Close shows where the run ended and leaves the output as it was found. Nothing is reported afterwards.
	Close(v View)
}

// New returns the reporter of a mode. It writes to out and starts nothing before its first report.
func New(out io.Writer, mode Mode, environ func(string) (string, bool)) Reporter {
	switch mode {
	case JSON:
		return jsonLines{json.NewEncoder(out)}
	case Terminal:
		if f, ok := out.(*os.File); ok {
			return newLive(f, environ)
		}
	}
	return plainLines{out}
}

// Follow reports what view returns until the returned function is called, which makes a last report and waits for it. It may be called twice.
func Follow(r Reporter, view func() View) (stop func()) {
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		tick := time.NewTicker(r.Every())
		defer tick.Stop()
		for {
			select {
			case <-done:
				r.Close(view())
				return
			case <-tick.C:
				r.Report(view())
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-finished
	})
}

// plainLines writes a line now and then.
type plainLines struct{ out io.Writer }

func (p plainLines) Every() time.Duration { return 3 * time.Second }
func (p plainLines) Report(v View)        { _, _ = fmt.Fprintln(p.out, Line(v)) }
func (p plainLines) Close(v View)         { p.Report(v) }

// jsonLines writes an event each second.
type jsonLines struct{ enc *json.Encoder }

func (j jsonLines) Every() time.Duration { return time.Second }
func (j jsonLines) Report(v View)        { _ = j.enc.Encode(event(v)) } // a reader that went away does not end a run
func (j jsonLines) Close(v View)         { j.Report(v) }

// event is the JSON form of a view; its names are a contract.
func event(v View) map[string]any {
	open, failures := []string{}, map[string]int64{}
	for _, b := range v.Breakers {
		open = append(open, b.Name)
	}
	for _, f := range v.Failures {
		failures[f.Code] = f.Items
	}
	return map[string]any{
		"event": "progress", "job": v.Job, "state": v.State, "total": v.Total, "done": v.Done, "failed": v.Failed,
		"elapsed_seconds": round(v.Elapsed.Seconds()), "eta_seconds": round(v.ETA.Seconds()),
		"spent_usd": v.Spent, "limit_usd": v.Limit, "held_usd": v.Held, "unconfirmed_usd": v.Unconfirmed,
		"calls_per_minute": round(v.CallsPerMinute), "tokens_per_minute": round(v.TokensPerMinute), "rpm": v.RPM, "tpm": v.TPM,
		"attempts": v.Attempts, "retries": v.Retries, "waiting": v.Waiting, "open_circuits": open, "failures": failures, "stopping": v.stopping(),
	}
}

// stopping reports whether nothing new is sent any more, though items are left.
func (v View) stopping() bool {
	return v.State == Stopping || v.State == OnBudget || v.State == Stopped
}

func round(f float64) float64 { return float64(int64(f*10+0.5)) / 10 }
