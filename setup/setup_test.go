package setup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/setup"
)

func load(t *testing.T, environ map[string]string, file string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, "aurea.yaml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ["HOME"] = dir
	cfg, err := config.Load(config.Options{Dir: dir, Environ: func(name string) (string, bool) { v, ok := environ[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// What the environment says holds for the functions of a program.
func TestTheEnvironmentApplies(t *testing.T) {
	t.Parallel()
	settings, err := setup.Config(load(t, map[string]string{
		"MAX_JOB_COST": "0.001", "DEFAULT_RPM": "2", "MAX_RETRIES": "1", "RETRY_BASE_DELAY": "0.01", "CIRCUIT_BREAKER_THRESHOLD": "0", "DENIED_MODELS": "gpt-4,o*",
	}, "limits: {max_wait: 0s}\nbreaker: {failure_ratio: 0}\n"))
	if err != nil {
		t.Fatal(err)
	}
	orch, err := aurea.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer orch.Close()
	job, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: "j"})
	if err != nil {
		t.Fatal(err)
	}
	if limit := job.Status().CostSummary.MaxCost; limit != money.SumOf(aurea.Dollar/1000) {
		t.Errorf("the job's limit is %s", limit)
	}
	run := func(model string, fn func() error) error {
		_, err := aurea.Execute(t.Context(), job, aurea.ModelCall{Model: model, InputTokens: 10, OutputCap: 10}, func(context.Context) (int, aurea.Usage, error) {
			return 0, aurea.Usage{Input: 10, Output: 10}, fn()
		})
		return err
	}
	fine := func() error { return nil }
	for _, model := range []string{"gpt-4", "o3-mini"} {
		if err := run(model, fine); !errors.Is(err, aurea.ErrModelNotAllowed) {
			t.Errorf("%s: %v", model, err)
		}
	}
	attempts := 0
	_ = run("gpt-4o-mini", func() error { attempts++; return nil })
	if err := run("gpt-4o-mini", fine); !errors.Is(err, aurea.ErrRateLimited) {
		t.Errorf("a second call at once with 2 RPM and no wait: %v", err)
	}
	if attempts != 1 {
		t.Errorf("%d attempts", attempts)
	}
}

func TestAPriceFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := setup.Config(load(t, map[string]string{}, "prices: {file: nowhere.json}\n")); err == nil {
		t.Error("no error")
	}
}

func Example() {
	cfg, err := config.Load(config.Options{Dir: os.TempDir(), Environ: func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": os.TempDir(), "MAX_JOB_COST": "25.0"}[name]
		return v, ok
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	settings, err := setup.Config(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	orch, err := aurea.New(settings)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer orch.Close()
	job, err := orch.OpenJob(context.Background(), aurea.JobSpec{Name: "nightly"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(job.Status().CostSummary.MaxCost)
	// Output: 25
}
