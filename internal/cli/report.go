package cli

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
)

// report shows progress until the returned function is called.
func (r *batchRun) report() (stop func()) {
	if r.program.flags.quiet {
		return func() {}
	}
	out := r.stderr
	mode := progress.Detect(r.stderr, r.environ)
	if r.program.flags.json {
		out, mode = r.stdout, progress.JSON
	}
	reporter := progress.New(out, mode, r.environ)
	if above, ok := reporter.(io.Writer); ok {
		reporter.Report(r.view()) // the view is there at once
		r.log.divert(above)       // else the log's lines would go through the middle of the view
	}
	end := progress.Follow(reporter, r.view)
	return func() {
		r.log.divert(nil)
		end()
	}
}

// view is what progress shows of the run.
func (r *batchRun) view() progress.View {
	p := r.runner.Progress()
	v := progress.View{
		Job: aurea.ShortName(r.job.ID), State: progress.Running, Total: p.Total, Done: p.Done, Failed: p.Failed, Elapsed: p.Elapsed, ETA: p.ETA(),
		CallsPerMinute: p.CallsPerMinute, TokensPerMinute: p.TokensPerMinute, Attempts: p.Attempts, Retries: p.Retries, Failures: r.failures.list(),
	}
	if p.Total == 0 { // before the run has counted them
		v.Total = r.loaded.Items
	}
	if standing, err := r.Tracker.Standing(context.Background(), r.job.Path()); err == nil {
		v.Spent, v.Limit, v.Held, v.Unconfirmed = standing[0].Spent, standing[0].Limit, standing[0].Held, standing[0].Unconfirmed
	}
	status := r.Orchestrator.Status()
	for _, l := range status.Limits {
		v.RPM += l.RPM
		v.TPM += l.TPM
		v.Waiting += l.Waiting
		if l.Waiting > 0 {
			v.WaitingFor = append(v.WaitingFor, l.Name)
		}
	}
	for _, b := range status.Breakers {
		if b.State == "closed" {
			continue
		}
		v.State = progress.CircuitOpen
		one := progress.Breaker{Name: b.Name}
		if b.OpenedAt != nil {
			one.Again = max(time.Until(b.OpenedAt.Add(time.Duration(b.Timeout*float64(time.Second)))), 0)
		}
		v.Breakers = append(v.Breakers, one)
	}
	switch r.runner.Ending() {
	case "", batch.Finished:
	case batch.Exhausted:
		v.State = progress.OnBudget
	default:
		v.State = progress.Stopping
		if r.over.Load() {
			v.State = progress.Stopped
		}
	}
	if p.Total > 0 && p.Left() == 0 {
		v.State = progress.Done
	}
	return v
}

// failures counts the codes that items failed with. It is safe for concurrent use.
type failures struct {
	mu    sync.Mutex
	codes map[string]int64
}

func (f *failures) add(code string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.codes == nil {
		f.codes = make(map[string]int64)
	}
	if _, known := f.codes[code]; !known && len(f.codes) >= mostCodes {
		code = "other"
	}
	f.codes[code]++
}

// mostCodes bounds what a provider can make of its codes.
const mostCodes = 50

func (f *failures) list() []progress.Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []progress.Failure
	for _, code := range slices.Sorted(maps.Keys(f.codes)) {
		all = append(all, progress.Failure{Code: code, Items: f.codes[code]})
	}
	slices.SortStableFunc(all, func(a, b progress.Failure) int { return cmp.Compare(b.Items, a.Items) })
	return all
}

// diversion is where a log goes: to its own writer, or to another one for a while. It is safe for concurrent use.
type diversion struct {
	own io.Writer

	mu    sync.Mutex
	other io.Writer
}

func (d *diversion) divert(to io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.other = to
}

// Write implements [io.Writer].
func (d *diversion) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.other != nil {
		return d.other.Write(b)
	}
	return d.own.Write(b)
}
