package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/money"
)

// world is a working directory, a home folder and an environment of a test's own.
type world struct {
	t         *testing.T
	dir, home string
	env       map[string]string
	flags     config.Flags
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), home: t.TempDir()}
	w.env = map[string]string{"HOME": w.home}
	return w
}

func (w *world) write(name, text string) string {
	w.t.Helper()
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) load() (*config.Config, error) {
	return config.Load(config.Options{
		Flags: w.flags, Dir: w.dir,
		Environ: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
	})
}

func (w *world) mustLoad() *config.Config {
	w.t.Helper()
	c, err := w.load()
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

const full = `
database: sqlite:aurea.db
listen: 127.0.0.1:8081
admin_key: ${AUREA_ADMIN_KEY}
pii: mask
timezone: Europe/Madrid
providers:
  openai:    {api: openai,    base_url: https://api.openai.com/v1,    api_key: ${OPENAI_API_KEY}}
  anthropic: {api: anthropic, base_url: https://api.anthropic.com,    api_key: ${ANTHROPIC_API_KEY}, profile: anthropic}
  local:     {api: openai,    base_url: http://127.0.0.1:11434/v1}   # {not: ${A variable}}
  other:
    api: openai
    base_url: https://llm.example.com/v1/
    api_keys: [${ONE}, "${TWO}", '${ONE}']
    profile: azure
    settlement: refund
    headers: {X-Team: "green ${TEAM:-none}", X-Odd: a$${b}}
    output_cap_field: max_tokens
    burst: 20
    cut_stops_generation: true
models:
  gpt-4o:    {provider: openai, rpm: 500, tpm: 200000}
  "claude-*": {provider: anthropic, rpm: 50, input_tpm: 40000, output_tpm: 8000}
  fast:      {route: [openai/gpt-4o-mini, local/qwen3, {target: other/meta-llama/Llama-3, weight: 2}], settlement: none}
  slow-?:    {provider: other, upstream: slow, rpd: 1000, tpd: 5000000, concurrency: 4, max_output: 9000, tpm: none}
  llama3:8b: {pii: off}
limits:   {default_rpm: 70, default_tpm: none, max_wait: 0s, max_body: 10MiB}
budget:
  max_job_cost: 2.50
  unbounded_input: refuse
  bound: proven
  unconfirmed: expected
  output_cap: {default: 2000, floor: 500, reasoning_default: 20000, reasoning_floor: 5000}
retry:    {max_retries: 0, base_delay: 200ms, max_delay: 2m, budget: {ratio: 0.25, burst: 50}}
breaker:  {threshold: 0, failure_ratio: 0.75, min_calls: 10, window: 20s, timeout: 90s, max_timeout: 30s}
timeouts: {request: 300s, first_byte: 60s, idle_stream: 30s}
policy:   {allowed_models: [fast, "claude-*"], denied_models: [gpt-3.5-turbo]}
prices:   {file: my-litellm.json, overrides: {my-model: {input: "0.25", output: 1.25, cache_read: 0.000000000001}, gift: {free: true}}}
logging:  {level: WARNING, format: text, redact_pii: false}
`

func TestEveryKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("aurea.yaml", full)
	key := "sk-" + strings.Repeat("x", 20)
	maps.Copy(w.env, map[string]string{"AUREA_ADMIN_KEY": "admin", "OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": "b", "ONE": " 1\n", "TWO": "2"})
	c := w.mustLoad()
	madrid, _ := time.LoadLocation("Europe/Madrid")
	quarter, dollar, pico := money.MustParse("0.25"), money.MustParse("1.25"), money.Pico
	yes := true
	want := &config.Config{
		Listen: "127.0.0.1:8081", AdminKey: config.NewSecret("admin"), PII: "mask", Timezone: madrid,
		Providers: []config.Provider{
			{Name: "openai", API: "openai", BaseURL: "https://api.openai.com/v1", Keys: secrets(key), Profile: "openai"},
			{Name: "anthropic", API: "anthropic", BaseURL: "https://api.anthropic.com", Keys: secrets("b"), Profile: "anthropic"},
			{Name: "local", API: "openai", BaseURL: "http://127.0.0.1:11434/v1", Profile: "generic"},
			{
				Name: "other", API: "openai", BaseURL: "https://llm.example.com/v1", Keys: secrets("1", "2"), Profile: "azure", Settlement: "refund",
				Headers:        map[string]config.Secret{"X-Team": config.NewSecret("green none"), "X-Odd": config.NewSecret("a${b}")},
				OutputCapField: "max_tokens", Burst: 20, CutStopsGeneration: &yes,
			},
		},
		Models: []config.Model{
			{Key: "gpt-4o", Provider: "openai", RPM: 500, TPM: 200000},
			{Key: "claude-*", Provider: "anthropic", RPM: 50, InputTPM: 40000, OutputTPM: 8000},
			{Key: "fast", Settlement: "none", Route: []config.Target{
				{Provider: "openai", Model: "gpt-4o-mini"}, {Provider: "local", Model: "qwen3"}, {Provider: "other", Model: "meta-llama/Llama-3", Weight: 2},
			}},
			{Key: "slow-?", Provider: "other", Upstream: "slow", RPD: 1000, TPD: 5000000, Concurrency: 4, MaxOutput: 9000, TPM: config.None},
			{Key: "llama3:8b", PII: "off"},
		},
		StateDir: filepath.Join(w.home, ".local/state/aurea"),
		Limits:   config.Limits{DefaultRPM: 70, DefaultTPM: config.None, DefaultRPMSet: true, DefaultTPMSet: true, MaxBody: 10 << 20},
		Budget: config.Budget{
			MaxJobCost: money.Sum{Dollars: 2, Pico: 500_000_000_000}, UnboundedInput: "refuse", Bound: "proven", Unconfirmed: "expected",
			OutputCap: config.OutputCap{Default: 2000, Floor: 500, ReasoningDefault: 20000, ReasoningFloor: 5000},
		},
		Retry:    config.Retry{BaseDelay: 200 * time.Millisecond, MaxDelay: 2 * time.Minute, Budget: config.RetryBudget{Ratio: 0.25, Burst: 50}},
		Breaker:  config.Breaker{FailureRatio: 0.75, MinCalls: 10, Window: 20 * time.Second, Timeout: 90 * time.Second, MaxTimeout: 90 * time.Second},
		Timeouts: config.Timeouts{Request: 5 * time.Minute, FirstByte: time.Minute, IdleStream: 30 * time.Second},
		Policy:   config.Policy{AllowedModels: []string{"fast", "claude-*"}, DeniedModels: []string{"gpt-3.5-turbo"}},
		Prices: config.Prices{File: filepath.Join(w.dir, "my-litellm.json"), Overrides: []config.Price{
			{Model: "my-model", Input: &quarter, Output: &dollar, CacheRead: &pico}, {Model: "gift", Free: true},
		}},
		Logging: config.Logging{Level: slog.LevelWarn, Format: "text"},
	}
	if diff := diffConfigs(want, c); diff != "" {
		t.Error(diff)
	}
	if got := c.Database.Reveal(); got != "sqlite:"+filepath.Join(w.dir, "aurea.db") {
		t.Errorf("database %s", got)
	}
}

func secrets(texts ...string) []config.Secret {
	var out []config.Secret
	for _, text := range texts {
		out = append(out, config.NewSecret(text))
	}
	return out
}

func diffConfigs(want, got *config.Config) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b config.Secret) bool { return a == b }),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
		cmp.FilterPath(func(p cmp.Path) bool {
			name := p.Last().String()
			return name == ".notes" || name == ".sources" || name == ".Database"
		}, cmp.Ignore()))
}

// Without anything at all, what the documentation promises is in force.
func TestDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.mustLoad()
	want := `database: sqlite:HOME/.local/state/aurea/aurea.db
listen: 127.0.0.1:8080
pii: off
timezone: UTC
limits:
  default_rpm: 60
  default_tpm: 100000
  max_wait: 2m
  max_body: 50000000B
budget:
  max_job_cost: "10"
  unbounded_input: max
  bound: tight
  unconfirmed: keep
  output_cap:
    default: 4096
    floor: 1024
    reasoning_default: 32768
    reasoning_floor: 8192
retry:
  max_retries: 3
  base_delay: 1s
  max_delay: 1m
  budget:
    ratio: "0.1"
    burst: 1000
breaker:
  threshold: 5
  failure_ratio: "0.5"
  min_calls: 20
  window: 10s
  timeout: 1m
  max_timeout: 2m
timeouts:
  request: 10m
  first_byte: 2m
  idle_stream: 1m
policy:
  allowed_models: []
  denied_models: []
logging:
  level: info
  format: json
  redact_pii: true
  redact_iban: false
  redact_birth_dates: false
  redact_literals: []
  redact_patterns: []
  redact_allow: []
`
	if diff := cmp.Diff(want, strings.ReplaceAll(c.String(), w.home, "HOME")); diff != "" {
		t.Error(diff)
	}
	if s := c.Sources(); s.String() != "none" || s.FoundBy != "" || s.DotEnv != "" || s.Of("listen") != "default" || s.Set("listen") {
		t.Errorf("sources %+v", s)
	}
	if c.Limits.DefaultRPMSet || len(c.Notes()) != 0 || len(c.Secrets()) != 0 {
		t.Errorf("%+v %v", c.Limits, c.Notes())
	}
}

// What is printed can be loaded again and means the same.
func TestStringLoadsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("aurea.yaml", full)
	w.env["ONE"], w.env["AUREA_ADMIN_KEY"] = "1", "x"
	first := w.mustLoad()
	again := newWorld(t)
	again.write("aurea.yaml", first.String())
	second := again.mustLoad()
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Error(diff)
	}
	var keys map[string]any
	if b, err := json.Marshal(first); err != nil || json.Unmarshal(b, &keys) != nil || keys["listen"] != "127.0.0.1:8081" {
		t.Errorf("as JSON: %v %v", keys, err)
	}
}

func TestWhichFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(path, by string) {
		t.Helper()
		c := w.mustLoad()
		if s := c.Sources(); s.File != path || s.FoundBy != by {
			t.Errorf("got %q by %q, want %q by %q", s.File, s.FoundBy, path, by)
		}
		if path != "" {
			if want := filepath.Join(filepath.Dir(path), "p.json"); c.Prices.File != want {
				t.Errorf("a path in the file is %s, want %s", c.Prices.File, want)
			}
		}
	}
	const text = "prices: {file: p.json}"
	check("", "")
	check(w.write(filepath.Join(w.home, ".config/aurea/aurea.yaml"), text), "XDG_CONFIG_HOME")
	w.env["XDG_CONFIG_HOME"] = "relative/is/ignored"
	check(filepath.Join(w.home, ".config/aurea/aurea.yaml"), "XDG_CONFIG_HOME")
	w.env["XDG_CONFIG_HOME"] = filepath.Join(w.home, "xdg")
	check("", "")
	check(w.write(filepath.Join(w.home, "xdg/aurea/aurea.yaml"), text), "XDG_CONFIG_HOME")
	check(w.write("aurea.yaml", text), "working directory")
	fromDotEnv := w.write("sub/one.yaml", text)
	w.write(".env", "AUREA_CONFIG=sub/one.yaml")
	check(fromDotEnv, "AUREA_CONFIG")
	w.env["AUREA_CONFIG"] = "~/two.yaml"
	check(w.write(filepath.Join(w.home, "two.yaml"), text), "AUREA_CONFIG")
	w.flags.Config = new("sub/../three.yaml")
	check(w.write("three.yaml", text), "--config")
	if got := w.mustLoad().Sources().DotEnv; got != filepath.Join(w.dir, ".env") {
		t.Errorf(".env is %q", got)
	}
	w.flags.Config = new("missing.yaml")
	if _, err := w.load(); err == nil || err.Error() != "missing.yaml: cannot be read: no such file or directory; it was named by --config; write the path of a configuration file there, or leave it out" {
		t.Errorf("got %v", err)
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := func(want string) {
		t.Helper()
		if got := w.mustLoad().Database.Reveal(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("sqlite:" + filepath.Join(w.home, ".local/state/aurea/aurea.db"))
	w.env["XDG_STATE_HOME"] = filepath.Join(w.home, "state")
	check("sqlite:" + filepath.Join(w.home, "state/aurea/aurea.db"))
	w.flags.Config = new("sub/aurea.yaml")
	w.write("sub/aurea.yaml", "database: sqlite:data/x.db")
	check("sqlite:" + filepath.Join(w.dir, "sub/data/x.db"))
	w.env["AUREA_DATABASE"] = "sqlite:y.db"
	check("sqlite:" + filepath.Join(w.dir, "y.db"))
	w.flags.Database = new("sqlite:///tmp/z.db")
	check("sqlite:/tmp/z.db")
	w.flags.Database = new("sqlite:~/z.db")
	check("sqlite:" + filepath.Join(w.home, "z.db"))

	homeless := newWorld(t)
	delete(homeless.env, "HOME")
	if _, err := homeless.load(); err == nil || !strings.Contains(err.Error(), "HOME: is not set, so there is no place for the database") {
		t.Errorf("got %v", err)
	}
}

func TestProvidersFromTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["OPENAI_API_KEY"] = "a"
	w.env["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1/"
	w.write(".env", "ANTHROPIC_API_KEY=b\nOPENAI_API_KEY=c\nANTHROPIC_BASE_URL=http://127.0.0.1:8/v1\n")
	want := []config.Provider{
		{Name: "openai", API: "openai", BaseURL: "http://127.0.0.1:9/v1", Keys: secrets("a"), Profile: "generic"},
		{Name: "anthropic", API: "anthropic", BaseURL: "http://127.0.0.1:8", Keys: secrets("b"), Profile: "generic"},
	}
	equal := cmp.Comparer(func(a, b config.Secret) bool { return a == b })
	if diff := cmp.Diff(want, w.mustLoad().Providers, equal); diff != "" {
		t.Error(diff)
	}

	// The file's own values stay, what it leaves open is filled in.
	w.write("aurea.yaml", "providers:\n  openai: {base_url: https://proxy.example.com/v1}\n  anthropic: {api_key: own}\n")
	want[0].BaseURL, want[1].Keys = "https://proxy.example.com/v1", secrets("own")
	if diff := cmp.Diff(want, w.mustLoad().Providers, equal); diff != "" {
		t.Error(diff)
	}

	// A key that the file takes from a variable of its own is not replaced by another one.
	w.write("aurea.yaml", "providers:\n  openai: {api_key: \"${MINE}\"}\n")
	c := w.mustLoad()
	if p, _ := c.Provider("openai"); len(p.Keys) != 0 || p.Unusable != "provider openai has no API key: its api_key is ${MINE}, which is not set; set MINE in the environment or in .env" {
		t.Errorf("%+v", p)
	}
	if diff := cmp.Diff([]string{"providers.openai.api_key: the variable MINE is not set"}, c.Notes()); diff != "" {
		t.Error(diff)
	}

	// A model may name a well-known provider before anyone has a key for it.
	bare := newWorld(t)
	bare.write("aurea.yaml", "models: {gpt-4o: {provider: openai}}")
	p, ok := bare.mustLoad().Provider("openai")
	if !ok || p.BaseURL != "https://api.openai.com/v1" || p.Profile != "openai" || !strings.Contains(p.Unusable, "set OPENAI_API_KEY") {
		t.Errorf("%+v %v", p, ok)
	}
	if _, ok := bare.mustLoad().Provider("anthropic"); ok {
		t.Error("anthropic is configured without a key")
	}
}

func TestDotEnvLeavesTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name := fmt.Sprintf("AUREA_TEST_%d", time.Now().UnixNano())
	w.write(".env", name+"=3\n")
	w.write("aurea.yaml", "limits: {default_rpm: ${"+name+"}}")
	if got := w.mustLoad().Limits.DefaultRPM; got != 3 {
		t.Errorf("got %v", got)
	}
	if _, ok := os.LookupEnv(name); ok {
		t.Error("the process's environment has changed")
	}
	folder := newWorld(t)
	folder.write(".env/bin/python", "")
	folder.mustLoad()
}

func TestMergeKeysAndAliases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("aurea.yaml", `
models:
  a: &a {rpm: 1, tpm: 2}
  b: {<<: *a, rpm: 3}
  c: *a
`)
	want := []config.Model{{Key: "a", RPM: 1, TPM: 2}, {Key: "b", RPM: 3, TPM: 2}, {Key: "c", RPM: 1, TPM: 2}}
	if diff := cmp.Diff(want, w.mustLoad().Models); diff != "" {
		t.Error(diff)
	}
}

func TestOutputCapPairsMoveTogether(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.OutputCap{
		"default: 500":           {Default: 500, Floor: 500, ReasoningDefault: 32768, ReasoningFloor: 8192},
		"floor: 5000":            {Default: 5000, Floor: 5000, ReasoningDefault: 32768, ReasoningFloor: 8192},
		"reasoning_default: 100": {Default: 4096, Floor: 1024, ReasoningDefault: 100, ReasoningFloor: 100},
	} {
		w := newWorld(t)
		w.write("aurea.yaml", "budget: {output_cap: {"+text+"}}")
		if got := w.mustLoad().Budget.OutputCap; got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestErrorsAreOfOneType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["MAX_JOB_COST"] = "ten"
	_, err := w.load()
	var all config.Errors
	var one *config.Error
	if !errors.As(err, &all) || len(all) != 1 || !errors.As(err, &one) || one.Key != "MAX_JOB_COST" || one.Source != "environment" {
		t.Errorf("%#v", err)
	}
}

func ExampleLoad() {
	cfg, err := config.Load(config.Options{
		Flags: config.Flags{MaxJobCost: new("0.50")},
		Environ: func(name string) (string, bool) {
			return map[string]string{"HOME": "/home/me", "LOG_LEVEL": "debug"}[name], true
		},
		Dir: "testdata/nothing", // no aurea.yaml and no .env there
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Budget.MaxJobCost, cfg.Sources().Of("budget.max_job_cost"))
	fmt.Println(cfg.Logging.Level, cfg.Sources().Of("logging.level"))
	// Output:
	// 0.5 --max-cost
	// DEBUG environment LOG_LEVEL
}
