package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/budget"
	"github.com/andres20980/aurea-orchestrator/gateway"
	"github.com/andres20980/aurea-orchestrator/internal/child"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
)

// tally counts what a command's calls came to. It is safe for concurrent use.
type tally struct {
	mu          sync.Mutex
	seen        bool // a request came to an endpoint
	calls       int64
	models      map[string]jobs.Model
	refused     map[string]int64
	unconfirmed money.Sum
}

// ended counts a call of our own gateway.
func (x *execution) ended(c gateway.Call) {
	t := &x.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = true
	t.refuse(string(c.Refused))
	if a := c.Answer; a != nil && a.Attempts > 0 {
		t.calls++
		if t.models == nil {
			t.models = make(map[string]jobs.Model)
		}
		m := t.models[a.Model]
		m.Calls++
		m.Attempts += int64(a.Attempts)
		m.InputTokens += a.Usage.InputTokens()
		m.OutputTokens += a.Usage.OutputTokens()
		m.Cost = m.Cost.Add(a.TotalCost)
		m.Own = m.Own.Add(a.OwnCost)
		t.models[a.Model] = m
		t.unconfirmed = t.unconfirmed.Add(a.TotalUnconfirmed)
	}
	var e *budget.ExceededError
	if errors.As(c.Err, &e) && !x.below(e.Account) {
		x.stopOnce.Do(x.stop)
	}
}

// below reports whether an account is that of a job which the command made itself: when that is used up, the rest goes on.
func (x *execution) below(account string) bool {
	w, ok := x.way.(*ownWay)
	return ok && w.child != nil && !w.child.Job.Path().Through(account)
}

func (x *execution) stop() {
	if x.flags.stopOnExceeded {
		close(x.exceeded)
	}
}

// refuse counts a refusal. With mu held.
func (t *tally) refuse(code string) {
	if code == "" {
		return
	}
	if t.refused == nil {
		t.refused = make(map[string]int64)
	}
	t.refused[code]++
}

// execReceipt is what a run under exec says at its end. Its names are a contract.
type execReceipt struct {
	Event       string                `json:"event"`
	Job         string                `json:"job"`
	Parent      *string               `json:"parent"`
	Command     string                `json:"command"`
	ExitCode    int                   `json:"exit_code"`
	Signal      string                `json:"signal,omitempty"`
	Stopped     bool                  `json:"stopped"` // because the budget was used up
	CallSeen    bool                  `json:"call_seen"`
	Calls       int64                 `json:"calls"`
	Refused     map[string]int64      `json:"refused"`
	ByModel     map[string]jobs.Model `json:"by_model"`
	Cost        money.Sum             `json:"cost_usd"` // of this run
	Unconfirmed money.Sum             `json:"unconfirmed_usd"`
	Limit       money.Sum             `json:"limit_usd"` // of the job, and what it has spent and has left with its other runs
	Spent       money.Sum             `json:"spent_usd"`
	Remaining   money.Sum             `json:"remaining_usd"`
	WallSeconds float64               `json:"wall_seconds"`
	Simulated   bool                  `json:"simulated"`
}

func (x *execution) receipt(job jobs.View, end child.Result, took time.Duration, stopped bool) execReceipt {
	t := &x.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	r := execReceipt{
		Event: "receipt", Job: x.spec.Name, Parent: job.Parent, Command: x.args[0], ExitCode: end.Code, Signal: end.Signal, Stopped: stopped, CallSeen: t.seen, Calls: t.calls,
		Refused: maps.Clone(t.refused), ByModel: maps.Clone(t.models), Unconfirmed: t.unconfirmed, Limit: job.Limit, Spent: job.Spent, Remaining: job.Remaining,
		WallSeconds: took.Seconds(), Simulated: x.flags.simulate,
	}
	if r.Refused == nil {
		r.Refused = map[string]int64{}
	}
	if r.ByModel == nil {
		r.ByModel = map[string]jobs.Model{}
	}
	for _, m := range r.ByModel {
		r.Cost = r.Cost.Plus(m.Cost)
	}
	return r
}

// deliver writes the receipt to its file and to stderr.
func (x *execution) deliver(r execReceipt) error {
	var err error
	if x.flags.receipt != "" {
		err = writeReceipt(x.flags.receipt, r)
	}
	switch {
	case x.program.flags.json:
		err = errors.Join(err, json.NewEncoder(x.stderr).Encode(r)) // stdout is the command's
	case !x.program.flags.quiet:
		r.print(x.stderr)
	}
	return err
}

// writeReceipt writes a file at once or not at all.
func writeReceipt(name string, r execReceipt) (err error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, append(text, '\n'), 0o600) // a pipe or a device
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".aurea-*")
	if err != nil {
		return fmt.Errorf("--receipt %s: %w", name, err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("--receipt %s: %w", name, err), os.Remove(f.Name()))
	}
	return nil
}

func (r execReceipt) print(w io.Writer) {
	note := ""
	if r.Simulated {
		note = " (rehearsal: simulated provider, no money was spent)"
	}
	fmt.Fprintf(w, "\naurea exec: %s, job %s%s\n", visible(filepath.Base(r.Command)), r.Job, note)
	if !r.CallSeen {
		fmt.Fprint(w, "  no call seen: it made no model call, or it does not take its provider's address from the environment (a sign-in of its own,\n"+
			"  a fixed host, a settings file); such calls are outside the limit. The guide is docs/exec.md\n")
	}
	refused := make([]string, 0, len(r.Refused))
	for _, code := range slices.Sorted(maps.Keys(r.Refused)) {
		refused = append(refused, fmt.Sprintf("%d %s", r.Refused[code], code))
	}
	fmt.Fprintf(w, "  calls        %d", r.Calls)
	if len(refused) > 0 {
		fmt.Fprintf(w, ", refused: %s", strings.Join(refused, ", "))
	}
	fmt.Fprintf(w, "\n  cost         $%s\n", r.Cost)
	if r.Unconfirmed != (money.Sum{}) {
		fmt.Fprintf(w, "  unconfirmed  $%s (calls cut off on the wire; settle with: aurea jobs reconcile %s)\n", r.Unconfirmed, r.Job)
	}
	fmt.Fprintf(w, "  job          $%s of $%s spent, $%s left\n", r.Spent, r.Limit, r.Remaining)
	fmt.Fprintf(w, "  time         %s\n", progress.Duration(time.Duration(r.WallSeconds*float64(time.Second))))
	if len(r.ByModel) == 0 {
		return
	}
	models := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(models, "\tmodel\tcalls\tattempts\tinput\toutput\tcost USD\t")
	for _, name := range slices.Sorted(maps.Keys(r.ByModel)) {
		m := r.ByModel[name]
		fmt.Fprintf(models, "\t%s\t%d\t%d\t%d\t%d\t%s\t\n", name, m.Calls, m.Attempts, m.InputTokens, m.OutputTokens, m.Cost)
	}
	_ = models.Flush()
	if n := r.Refused[string(aurea.CodeBudgetExceeded)]; n > 0 {
		fmt.Fprintf(w, "  → the budget refused %d calls; raise it with: aurea jobs raise %s --max-cost USD\n", n, r.Job)
	}
}
