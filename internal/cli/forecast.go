package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// forecast adds up what a file will take.
type forecast struct {
	worst  money.Sum
	models map[string]*modelForecast
}

type modelForecast struct {
	estimate aurea.Estimate
	requests int64
	tokens   int64
}

func newForecast() *forecast { return &forecast{models: make(map[string]*modelForecast)} }

func (f *forecast) add(e aurea.Estimate) {
	f.worst = f.worst.Add(e.Worst)
	name := e.Provider + "/" + e.Model
	m, ok := f.models[name]
	if !ok {
		m = &modelForecast{estimate: e}
		f.models[name] = m
	}
	m.requests++
	m.tokens += e.Tokens
}

// longWait is when it is worth saying at the start how long the limits will make a run.
const longWait = 10 * time.Second

// forecast tells what the file will take at the limits in force, and which key raises the narrowest.
func (r *batchRun) forecast(f *forecast) {
	if len(f.models) == 0 { // resumed, nothing was read again
		return
	}
	var slowest *modelForecast
	var longest time.Duration
	key := ""
	for _, name := range slices.Sorted(maps.Keys(f.models)) {
		m := f.models[name]
		if d, k := m.takes(); d > longest {
			slowest, longest, key = m, d, k
		}
	}
	if slowest != nil && longest >= longWait {
		limits, also := "the limits in force", ""
		if slowest.estimate.Guess {
			limits, also = "the default limits", "; limits in the provider's answers replace the defaults"
		}
		r.say("at %s this takes about %s: %d requests of %s at %s (raise models.%s.%s if the provider allows more%s)", limits,
			progress.Duration(longest), slowest.requests, slowest.estimate.Model, allowance(slowest.estimate.RPM, slowest.estimate.TPM), slowest.estimate.Model, key, also)
	}
	if c, err := r.Store.FindCounter(context.Background(), store.JobPrefix+r.job.ID, time.Time{}); err == nil && f.worst.Cmp(c.Remaining()) > 0 {
		r.say("at worst this costs $%s; $%s is left of the job's limit, at which it stops", progress.Money(f.worst), progress.Money(c.Remaining()))
	}
}

// takes returns how long the limits make the model's requests take, and the key of the narrower limit.
func (m *modelForecast) takes() (d time.Duration, key string) {
	if m.estimate.RPM > 0 {
		d, key = time.Duration(float64(m.requests)/float64(m.estimate.RPM)*float64(time.Minute)), "rpm"
	}
	if m.estimate.TPM > 0 {
		if t := time.Duration(float64(m.tokens) / float64(m.estimate.TPM) * float64(time.Minute)); t > d {
			d, key = t, "tpm"
		}
	}
	return d, key
}

// shellQuote writes a word so that a shell reads it back.
func shellQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._/-+:@%,=", r)
	}) {
		return s
	}
	return fmt.Sprintf("'%s'", strings.ReplaceAll(s, "'", `'\''`))
}

// jobOf returns the short name of a job's account.
func jobOf(account string) (string, bool) {
	id, ok := strings.CutPrefix(account, store.JobPrefix)
	return aurea.ShortName(id), ok
}
