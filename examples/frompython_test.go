package examples_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/breaker"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/logging"
	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/retry"
	"github.com/andres20980/aurea-orchestrator/setup"
)

// The code blocks of docs/from-python.md stand in these functions, word for word: TestFromPython compares.

func quickStart(ctx context.Context) error {
	orch, err := aurea.New(aurea.Config{})
	if err != nil {
		return err
	}
	defer orch.Close()
	job, err := orch.Job("my-job-1", 5*aurea.Dollar)
	if err != nil {
		return err
	}

	callModel := func(ctx context.Context) (string, aurea.Usage, error) {
		// Your model API call here. It returns its result, and what the provider counted.
		return "Hello world", aurea.Usage{Input: 100, Output: 50}, nil
	}

	call := aurea.ModelCall{Model: "gpt-3.5-turbo", InputTokens: 100, OutputCap: 50}
	result, err := aurea.Execute(ctx, job, call, callModel)
	if err != nil {
		return err
	}
	fmt.Println(result)

	status := job.Status()
	fmt.Printf("Total cost: $%s\n", status.CostSummary.TotalCost)
	return nil
}

func Example_quickStart() {
	if err := quickStart(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Hello world
	// Total cost: $0.000125
}

func configured(options config.Options) error {
	cfg, err := config.Load(options) // config.Options{}: the process's own environment and folder
	if err != nil {
		return err
	}
	settings, err := setup.Config(cfg)
	if err != nil {
		return err
	}
	settings.Logger = logging.New(os.Stderr, logging.Options{
		Level: cfg.Logging.Level, Redactor: redact.New(redact.Options{PII: cfg.Logging.RedactPII}),
	})
	orch, err := aurea.New(settings)
	if err != nil {
		return err
	}
	defer orch.Close()
	return orch.Close()
}

func costTracker() error {
	tracker := aurea.NewCostTracker("job-1", 10*aurea.Dollar, nil)

	cost, err := tracker.TrackUsage("gpt-3.5-turbo", aurea.Usage{Input: 1000, Output: 500})
	if errors.Is(err, aurea.ErrBudgetExceeded) {
		return err // booked all the same, as in Python
	}
	fmt.Println(cost, err)

	summary := tracker.Summary()
	fmt.Printf("Total cost: $%s\n", summary.TotalCost)
	return nil
}

func Example_costTracker() {
	if err := costTracker(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0.00125 <nil>
	// Total cost: $0.00125
}

func rateLimiter(ctx context.Context) error {
	limiter := aurea.NewRateLimiter(60, 100_000)

	limiter.SetModelLimits("gpt-4", aurea.RateLimits{RPM: 10, TPM: 50_000})

	waited, err := limiter.CheckAndWait(ctx, "gpt-4", 1000)
	if err != nil {
		return err
	}
	fmt.Println(waited, limiter.TryAcquire("gpt-4", 60_000), limiter.Usage("gpt-4").Requests)
	return nil
}

func Example_rateLimiter() {
	if err := rateLimiter(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: 0s false 1
}

func circuitBreaker(ctx context.Context, myFunction func(context.Context, int, int) (string, error), arg1, arg2 int) error {
	breaker := aurea.NewCircuitBreaker("my-service", 5, 60*time.Second)

	var result string
	err := breaker.Call(ctx, func(ctx context.Context) (err error) {
		result, err = myFunction(ctx, arg1, arg2)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println(result)

	fmt.Printf("Circuit state: %s\n", breaker.State())
	return nil
}

func Example_circuitBreaker() {
	multiply := func(_ context.Context, a, b int) (string, error) { return fmt.Sprint(a * b), nil }
	if err := circuitBreaker(context.Background(), multiply, 6, 7); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 42
	// Circuit state: closed
}

func retries(ctx context.Context, flaky func(context.Context) (string, error)) error {
	again := aurea.Retry{MaxRetries: 3, BaseDelay: time.Second, MaxDelay: time.Minute}

	var result string
	err := again.Do(ctx, func(ctx context.Context) (err error) {
		result, err = flaky(ctx)
		return err // aurea.Permanent(err) is not repeated
	})
	if err != nil {
		return err // the last one, as it was
	}
	fmt.Println(result)
	return nil
}

func redaction() {
	redactor := aurea.NewRedactor(true)

	fmt.Println(redactor.Redact("Contact me at user@example.com or 555-123-4567"))

	fmt.Println(redactor.RedactMap(map[string]any{"email": "user@example.com", "password": "secret123"}))
}

func Example_redaction() {
	redaction()
	// Output:
	// Contact me at [EMAIL_REDACTED] or [PHONE_REDACTED]
	// map[email:[EMAIL_REDACTED] password:[REDACTED]]
}

var _ = logged // it prints the time

func logged() {
	log := logging.New(os.Stdout, logging.Options{Level: slog.LevelInfo})

	log.Info("mail sent", "to", "user@example.com")
}

func refusal(err error) string {
	var refused *aurea.Error
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, aurea.ErrModelNotAllowed): // ModelNotAllowedError
		return "choose another model"
	case errors.Is(err, aurea.ErrBudgetExceeded): // CostExceededError, before the call
		return "the budget is used up"
	case errors.Is(err, aurea.ErrCircuitOpen): // CircuitBreakerError
		return "the provider is down"
	case errors.As(err, &refused): // any other refusal
		return refused.Message + ": " + refused.Hint
	default: // your function's own error, after the last retry: RetryExhaustedError
		return err.Error()
	}
}

func TestRetriesOfThePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, began := 0, time.Now()
		if err := retries(t.Context(), func(context.Context) (string, error) {
			if n++; n < 4 {
				return "", errors.New("flaky")
			}
			return "", nil
		}); err != nil || n != 4 || time.Since(began) > 7*time.Second {
			t.Errorf("%v after %d tries and %v", err, n, time.Since(began))
		}
	})
}

func TestRefusalsOfThePage(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"done": nil, "choose another model": &aurea.Error{Code: aurea.CodeModelNotAllowed, Message: "x"},
		"the budget is used up": &aurea.Error{Code: aurea.CodeBudgetExceeded, Message: "x"},
		"the provider is down":  &aurea.Error{Code: aurea.CodeCircuitOpen, Message: "x"},
		"why: what now":         &aurea.Error{Code: aurea.CodeNotFound, Message: "why", Hint: "what now"},
		"mine":                  errors.New("mine"),
	} {
		if got := refusal(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Every block of Go on the page is code of this file, which is compiled and, in the main, run.
func TestFromPython(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/from-python.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("frompython_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fenced(string(page), "go")
	if len(blocks) < 8 {
		t.Errorf("%d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		lines := strings.Split(block, "\n")
		for i, l := range lines {
			if l != "" {
				lines[i] = "\t" + l
			}
		}
		if !strings.Contains(string(code), "\n"+strings.Join(lines, "\n")+"\n") {
			t.Errorf("not in frompython_test.go:\n%s", block)
		}
	}
	for _, name := range []string{ // what the Python package exports, and what its README names
		"Orchestrator", "CostTracker", "RateLimiter", "CircuitBreaker", "PIIRedactor", "RetryHandler", "Config", "execute_request", "get_status", "validate_model",
		"estimate_cost", "track_usage", "get_summary", "DEFAULT_PRICING", "set_model_limits", "check_and_wait", "acquire", "get_current_usage", "CircuitState",
		"get_state", "with_circuit_breaker", "with_retry", "calculate_delay", "redact_dict", "is_model_allowed", "configure_logging", "get_logger", "redact_pii_processor",
		"ModelNotAllowedError", "CostExceededError", "RateLimitExceededError", "CircuitBreakerError", "RetryExhaustedError",
		"MAX_JOB_COST", "DEFAULT_RPM", "DEFAULT_TPM", "MAX_RETRIES", "RETRY_BASE_DELAY", "RETRY_MAX_DELAY", "CIRCUIT_BREAKER_THRESHOLD", "CIRCUIT_BREAKER_TIMEOUT",
		"ALLOWED_MODELS", "DENIED_MODELS", "LOG_LEVEL", "REDACT_PII",
		"bandit", "semgrep", "black", "isort", "flake8", "mypy", "pytest", "pre-commit",
	} {
		if !strings.Contains(string(page), "`"+name) && !strings.Contains(string(page), "."+name) {
			t.Errorf("docs/from-python.md does not map %s", name)
		}
	}
}

// The .env of the page does what it says.
func TestEnvOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/from-python.md")
	if err != nil {
		t.Fatal(err)
	}
	env := fenced(string(page), "ini")
	if len(env) != 1 {
		t.Fatalf("%d blocks of ini", len(env))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(env[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	options := config.Options{Dir: dir, Environ: func(name string) (string, bool) { return dir, name == "HOME" }}
	cfg, err := config.Load(options)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := setup.Config(cfg)
	if err != nil {
		t.Fatal(err)
	}
	limits, _ := settings.Limits("openai", "gpt-4", "")
	want := retry.Policy{MaxRetries: 5, BaseDelay: time.Second, MaxDelay: time.Minute}
	if settings.JobLimit.String() != "15" || limits.RPM != 120 || limits.TPM != 150_000 || settings.Retry.MaxRetries != want.MaxRetries ||
		settings.Retry.MaxDelay != want.MaxDelay || settings.Breaker.Threshold != 10 || settings.Breaker.Timeout != breaker.Default().Timeout ||
		!slices.Equal(settings.Rules.Allowed, []string{"gpt-4", "gpt-3.5-turbo", "claude-3-sonnet"}) || !cfg.Logging.RedactPII {
		t.Errorf("%+v", settings)
	}
	if err := configured(options); err != nil {
		t.Error(err)
	}
}

// fenced returns the code blocks of a language.
func fenced(page, language string) (blocks []string) {
	for _, rest := range strings.Split(page, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(rest, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}
