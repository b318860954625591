package aurea_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/policy"
	"github.com/andres20980/aurea-orchestrator/ratelimit"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// refusals lead to each code. The messages are in docs/troubleshooting.md.
var refusals = map[aurea.Code]struct {
	change func(*aurea.Config)
	lead   func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error
}{
	aurea.CodeInvalidRequest: {lead: func(_ context.Context, orch *aureatest.Orchestrator, _ *aurea.Job) error {
		_, err := orch.Job("my job", aurea.Dollar)
		return err
	}},
	aurea.CodeEndpointMismatch: {lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
		return chat(ctx, orch, job, "claude-haiku-4-5")
	}},
	aurea.CodePIIBlocked: {
		change: func(c *aurea.Config) { c.PII = func(string) aurea.PII { return aurea.PIIBlock } },
		lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
			_, err := orch.Do(ctx, aurea.Call{Job: job, API: usage.Chat, Body: []byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"I am ann@example.com"}],"max_tokens":50}`)})
			return err
		},
	},
	aurea.CodeUnauthorized: {
		change: func(c *aurea.Config) { c.Unusable = map[string]string{"openai": "OPENAI_API_KEY is not set"} },
		lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
			return chat(ctx, orch, job, "gpt-4o")
		},
	},
	aurea.CodeBudgetExceeded: {lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
		return execute(ctx, job, aurea.ModelCall{Model: "gpt-4o", InputTokens: 1000, OutputCap: 200_000}, nil)
	}},
	aurea.CodeModelNotAllowed: {
		change: func(c *aurea.Config) { c.Rules = policy.Rules{Denied: []string{"gpt-4"}} },
		lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
			return execute(ctx, job, aurea.ModelCall{Model: "gpt-4", OutputCap: 1}, nil)
		},
	},
	aurea.CodeModelNotFound: {
		change: func(c *aurea.Config) { c.Providers = nil },
		lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
			return chat(ctx, orch, job, "my-model")
		},
	},
	aurea.CodeNotFound: {lead: func(ctx context.Context, orch *aureatest.Orchestrator, _ *aurea.Job) error {
		_, err := orch.OpenJob(ctx, aurea.JobSpec{Name: "chapter-1", Parent: "book"})
		return err
	}},
	aurea.CodeJobConflict: {lead: func(_ context.Context, orch *aureatest.Orchestrator, _ *aurea.Job) error {
		_, err := orch.Job("nightly", 2*aurea.Dollar)
		return err
	}},
	aurea.CodeJobCancelled: {lead: cancelled},
	aurea.CodeRequestOverLimit: {
		change: limited(ratelimit.Limits{TPM: 30_000}),
		lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
			return execute(ctx, job, aurea.ModelCall{Model: "gpt-4o", InputTokens: 50_000, OutputCap: 100}, nil)
		},
	},
	aurea.CodePriceUnknown: {lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
		return execute(ctx, job, aurea.ModelCall{Model: "my-model", OutputCap: 100}, nil)
	}},
	aurea.CodeRateLimited: {
		change: limited(ratelimit.Limits{RPM: 1}),
		lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
			call := aurea.ModelCall{Model: "gpt-4o", InputTokens: 10, OutputCap: 10, MaxWait: time.Second}
			if err := execute(ctx, job, call, nil); err != nil {
				return err
			}
			return execute(ctx, job, call, nil)
		},
	},
	aurea.CodeUpstreamError: {lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
		orch.Provider.Script(aureatest.Step{Garbage: true, Times: -1})
		return chat(ctx, orch, job, "gpt-4o")
	}},
	aurea.CodeCircuitOpen: {
		change: func(c *aurea.Config) { c.Breaker = &breaker.Config{Threshold: 1, Timeout: time.Minute} },
		lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
			call := aurea.ModelCall{Model: "gpt-4o", InputTokens: 10, OutputCap: 10}
			_ = execute(ctx, job, call, aurea.Permanent(&aurea.HTTPError{Status: http.StatusInternalServerError}))
			return execute(ctx, job, call, nil)
		},
	},
	aurea.CodeUnavailable: {lead: onFullDisk},
	aurea.CodeUpstreamTimeout: {
		change: func(c *aurea.Config) { c.Timeouts.Request = time.Minute },
		lead: func(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
			orch.Provider.Script(aureatest.Step{Delay: time.Hour, Times: -1})
			return chat(ctx, orch, job, "gpt-4o")
		},
	},
	aurea.CodeDeadlineExceeded: {
		change: limited(ratelimit.Limits{RPM: 1}),
		lead: func(ctx context.Context, _ *aureatest.Orchestrator, job *aurea.Job) error {
			call := aurea.ModelCall{Model: "gpt-4o", InputTokens: 10, OutputCap: 10, MaxWait: -1}
			if err := execute(ctx, job, call, nil); err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return execute(ctx, job, call, nil)
		},
	},
}

// elsewhere are codes that neither the library nor the command line refuses with.
var elsewhere = map[aurea.Code]bool{aurea.CodeBodyTooLarge: true}

func limited(l ratelimit.Limits) func(*aurea.Config) {
	return func(c *aurea.Config) {
		c.Limits = func(_, _, _ string) (ratelimit.Limits, ratelimit.Profile) { return l, ratelimit.Generic() }
	}
}

func chat(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job, model string) error {
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Hi"}],"max_tokens":50}`, model)
	_, err := orch.Do(ctx, aurea.Call{Job: job, API: usage.Chat, Body: []byte(body)})
	return err
}

func execute(ctx context.Context, job *aurea.Job, call aurea.ModelCall, fails error) error {
	_, err := aurea.Execute(ctx, job, call, func(context.Context) (int, aurea.Usage, error) {
		if fails != nil {
			return 0, aurea.Usage{}, fails
		}
		return 0, aurea.Usage{Input: 1}, nil
	})
	return err
}

// cancelled goes on with a job that somebody has cancelled meanwhile.
func cancelled(ctx context.Context, orch *aureatest.Orchestrator, job *aurea.Job) error {
	c, err := orch.Store.FindCounter(ctx, store.JobPrefix+job.ID, time.Time{})
	if err == nil {
		_, err = orch.Store.SetClosed(ctx, c.ID, true)
	}
	if err != nil {
		return err
	}
	return execute(ctx, job, aurea.ModelCall{Model: "gpt-4o", OutputCap: 10}, nil)
}

// full is a store without room for anything new.
type full struct{ store.Store }

func (full) CreateJob(context.Context, store.Job, money.Sum) (store.Job, bool, error) {
	return store.Job{}, false, fmt.Errorf("aurea.db: %w", store.ErrFull)
}

func onFullDisk(_ context.Context, orch *aureatest.Orchestrator, _ *aurea.Job) error {
	o, err := aurea.New(aurea.Config{Store: full{orch.Store}})
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = o.Job("nightly", aurea.Dollar)
	return err
}

// Every code has its section, with the text that people see, as it is.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]string)
	for _, s := range strings.Split(string(page), "\n### ")[1:] {
		title, text, _ := strings.Cut(s, "\n")
		sections[strings.Trim(title, "`")] = text
	}
	for _, code := range aurea.Codes() {
		section, ok := sections[string(code)]
		if !ok {
			t.Errorf("docs/troubleshooting.md has no section %q", code)
			continue
		}
		if want := fmt.Sprintf("HTTP %d", code.Status()); !strings.Contains(section, want) {
			t.Errorf("%s: its section does not say %q", code, want)
		}
		r, ok := refusals[code]
		if !ok {
			if !elsewhere[code] {
				t.Errorf("nothing here leads to %s", code)
			}
			continue
		}
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				orch := aureatest.New(t, func(c *aurea.Config) {
					if r.change != nil {
						r.change(c)
					}
				})
				job, err := orch.Job("nightly", aurea.Dollar)
				if err != nil {
					t.Fatal(err)
				}
				err = r.lead(t.Context(), orch, job)
				e := aureatest.RequireCode(t, err, code)
				if !errors.Is(err, &aurea.Error{Code: code}) {
					t.Errorf("%v does not match by its code", err)
				}
				if !strings.Contains(section, "aurea: "+e.Message+"\n") {
					t.Errorf("docs/troubleshooting.md lacks the line\naurea: %s", e.Message)
				}
				if first, _, _ := strings.Cut(e.Hint, "\n"); first != "" && !strings.Contains(section, "→ "+first+"\n") {
					t.Errorf("docs/troubleshooting.md lacks the line\n  → %s", first)
				}
			})
		})
	}
	for _, code := range []int{0, 1, 2, 3, 4, 5} {
		if _, ok := sections[fmt.Sprintf("Exit %d", code)]; !ok {
			t.Errorf("docs/troubleshooting.md has no section for exit code %d", code)
		}
	}
	for _, code := range []string{"usage", "error", "interrupted", "items_failed", "internal", "database_damaged", "newer_schema", "disk_full"} { // of the command line alone
		if _, ok := sections[code]; !ok {
			t.Errorf("docs/troubleshooting.md has no section %q", code)
		}
	}
}
