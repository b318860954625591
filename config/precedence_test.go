package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/config"
)

// The order of sources, for every value that more than one of them can give.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	type row struct {
		key, variable      string
		setFlag            func(*config.Flags, *string)
		file, env, dotenv  string // values, each unlike the others
		flag               string
		get                func(*config.Config) string
		fileWant, envWant  string // as get shows them, where that is not the value itself
		dotWant, flagWants string
	}
	rows := []row{
		{
			"budget.max_job_cost", "MAX_JOB_COST", func(f *config.Flags, s *string) { f.MaxJobCost = s }, "4.00", "3.00", "2.50", "1.00",
			func(c *config.Config) string { return c.Budget.MaxJobCost.String() }, "4", "3", "2.5", "1",
		},
		{
			"database", "AUREA_DATABASE", func(f *config.Flags, s *string) { f.Database = s }, "postgres://file/db", "postgres://env/db", "postgres://dot/db", "postgres://flag/db",
			func(c *config.Config) string { return c.Database.Reveal() }, "", "", "", "",
		},
		{
			"limits.default_rpm", "DEFAULT_RPM", func(f *config.Flags, s *string) { f.RPM = s }, "4", "3", "2", "none",
			func(c *config.Config) string { return c.Limits.DefaultRPM.String() }, "", "", "", "",
		},
		{
			"limits.default_tpm", "DEFAULT_TPM", func(f *config.Flags, s *string) { f.TPM = s }, "4", "none", "2", "1",
			func(c *config.Config) string { return c.Limits.DefaultTPM.String() }, "", "", "", "",
		},
		{
			"pii", "AUREA_PII", func(f *config.Flags, s *string) { f.PII = s }, "off", "mask", "block", "mask",
			func(c *config.Config) string { return c.PII }, "", "", "", "",
		},
		{
			"retry.max_retries", "MAX_RETRIES", func(f *config.Flags, s *string) { f.MaxRetries = s }, "4", "3", "2", "0",
			func(c *config.Config) string { return fmt.Sprint(c.Retry.MaxRetries) }, "", "", "", "",
		},
		{
			"retry.base_delay", "RETRY_BASE_DELAY", nil, "4s", "0.25", "2s", "",
			func(c *config.Config) string { return c.Retry.BaseDelay.String() }, "", "250ms", "", "",
		},
		{
			"retry.max_delay", "RETRY_MAX_DELAY", nil, "4s", "30.0", "2ms", "",
			func(c *config.Config) string { return c.Retry.MaxDelay.String() }, "", "30s", "", "",
		},
		{
			"breaker.threshold", "CIRCUIT_BREAKER_THRESHOLD", nil, "4", "3", "0", "",
			func(c *config.Config) string { return fmt.Sprint(c.Breaker.Threshold) }, "", "", "", "",
		},
		{
			"breaker.timeout", "CIRCUIT_BREAKER_TIMEOUT", nil, "4s", "3", "2m", "",
			func(c *config.Config) string { return c.Breaker.Timeout.String() }, "", "3s", "2m0s", "",
		},
		{
			"policy.allowed_models", "ALLOWED_MODELS", func(f *config.Flags, s *string) { f.Allow = s }, "[a, b]", "c, d-*", "e", "f",
			func(c *config.Config) string { return fmt.Sprint(c.Policy.AllowedModels) }, "[a b]", "[c d-*]", "[e]", "[f]",
		},
		{
			"policy.denied_models", "DENIED_MODELS", func(f *config.Flags, s *string) { f.Deny = s }, "[a]", "b,,c,", "e", "f",
			func(c *config.Config) string { return fmt.Sprint(c.Policy.DeniedModels) }, "[a]", "[b c]", "[e]", "[f]",
		},
		{
			"logging.level", "LOG_LEVEL", func(f *config.Flags, s *string) { f.LogLevel = s }, "error", "Warning", "DEBUG", "info",
			func(c *config.Config) string { return c.Logging.Level.String() }, "ERROR", "WARN", "DEBUG", "INFO",
		},
		{
			"logging.redact_pii", "REDACT_PII", nil, "false", "TRUE", "0", "",
			func(c *config.Config) string { return fmt.Sprint(c.Logging.RedactPII) }, "", "true", "false", "",
		},
		{
			"listen", "", func(f *config.Flags, s *string) { f.Listen = s }, "127.0.0.1:4", "", "", "[::1]:0",
			func(c *config.Config) string { return c.Listen }, "", "", "", "",
		},
		{
			"admin_key", "AUREA_ADMIN_KEY", nil, "file", "env", "dot", "",
			func(c *config.Config) string { return c.AdminKey.Reveal() }, "", "", "", "",
		},
	}
	or := func(want, value string) string {
		if want == "" {
			return value
		}
		return want
	}
	for _, r := range rows {
		t.Run(r.key, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			check := func(want, source string) {
				t.Helper()
				c := w.mustLoad()
				if got := r.get(c); got != want || c.Sources().Of(r.key) != source {
					t.Errorf("got %s from %s, want %s from %s", got, c.Sources().Of(r.key), want, source)
				}
			}
			section, name, nested := strings.Cut(r.key, ".")
			text, line := section+": "+r.file+"\n", "aurea.yaml:1"
			if nested {
				text, line = section+":\n  "+name+": "+r.file+"\n", "aurea.yaml:2"
			}
			w.write("aurea.yaml", text)
			check(or(r.fileWant, r.file), line)
			if r.variable != "" {
				w.write(".env", "export "+r.variable+"='"+r.dotenv+"'\n")
				check(or(r.dotWant, r.dotenv), ".env "+r.variable)
				w.env[r.variable] = "" // an empty variable is unset
				check(or(r.dotWant, r.dotenv), ".env "+r.variable)
				w.env[r.variable] = r.env
				check(or(r.envWant, r.env), "environment "+r.variable)
			}
			if r.setFlag != nil {
				r.setFlag(&w.flags, &r.flag)
				c := w.mustLoad()
				if got := r.get(c); got != or(r.flagWants, r.flag) || !strings.HasPrefix(c.Sources().Of(r.key), "--") {
					t.Errorf("flag: got %s from %s", got, c.Sources().Of(r.key))
				}
			}
		})
	}
}
