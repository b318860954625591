package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/andres20980/aurea-orchestrator/money"
)

// tree is a mapping in order. Values are strings, int64s, bools, trees and slices of these.
type tree []branch

type branch struct {
	key   string
	value any
}

// String returns the configuration in force in the form of the file, secrets masked.
func (c *Config) String() string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(nodeOf(c.tree())); err != nil {
		return "config: " + err.Error()
	}
	return b.String()
}

// MarshalJSON returns the configuration in force with the keys of the file, secrets masked. Money,
// durations and ratios are strings, and so is a lifted limit: "none".
func (c *Config) MarshalJSON() ([]byte, error) { return c.tree().MarshalJSON() }

// MarshalJSON writes the keys in order.
func (t tree) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, e := range t {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), value...)
	}
	return append(b, '}'), nil
}

func nodeOf(v any) *yaml.Node {
	switch v := v.(type) {
	case tree:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range v {
			n.Content = append(n.Content, nodeOf(e.key), nodeOf(e.value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range v {
			n.Content = append(n.Content, nodeOf(item))
		}
		return n
	case string:
		n := &yaml.Node{}
		n.SetString(v)
		return n
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v)}
	}
}

// add appends a key unless its value is empty, which stands for a default that depends on other things.
func (t *tree) add(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case Limit:
		if v == None {
			value = "none"
		} else if n, ok := v.Value(); ok {
			value = n
		} else {
			return
		}
	case *bool:
		if v == nil {
			return
		}
		value = *v
	case *money.USD:
		if v == nil {
			return
		}
		value = v.String()
	case tree:
		if len(v) == 0 {
			return
		}
	case []any:
		if len(v) == 0 {
			return
		}
	}
	*t = append(*t, branch{key, value})
}

func (c *Config) tree() tree {
	var t tree
	t.add("database", c.Database.String())
	t.add("listen", c.Listen)
	var files tree
	files.add("cert", c.TLS.Cert)
	files.add("key", c.TLS.Key)
	t.add("tls", files)
	t.add("admin_key", c.AdminKey.String())
	t.add("pii", c.PII)
	t.add("timezone", c.Timezone.String())
	var providers, models, overrides tree
	for _, p := range c.Providers {
		providers.add(p.Name, p.tree())
	}
	for _, m := range c.Models {
		models = append(models, branch{m.Key, m.tree()}) // an entry without settings is an entry
	}
	for _, p := range c.Prices.Overrides {
		overrides.add(p.Model, p.tree())
	}
	t.add("providers", providers)
	t.add("models", models)
	t = append(t,
		branch{"limits", tree{
			{"default_rpm", c.Limits.DefaultRPM},
			{"default_tpm", c.Limits.DefaultTPM},
			{"max_wait", span(c.Limits.MaxWait)},
			{"max_body", strconv.FormatInt(c.Limits.MaxBody, 10) + "B"},
		}},
		branch{"budget", tree{
			{"max_job_cost", c.Budget.MaxJobCost.String()},
			{"unbounded_input", c.Budget.UnboundedInput},
			{"bound", c.Budget.Bound},
			{"unconfirmed", c.Budget.Unconfirmed},
			{"output_cap", tree{
				{"default", c.Budget.OutputCap.Default},
				{"floor", c.Budget.OutputCap.Floor},
				{"reasoning_default", c.Budget.OutputCap.ReasoningDefault},
				{"reasoning_floor", c.Budget.OutputCap.ReasoningFloor},
			}},
		}},
		branch{"retry", tree{
			{"max_retries", c.Retry.MaxRetries},
			{"base_delay", span(c.Retry.BaseDelay)},
			{"max_delay", span(c.Retry.MaxDelay)},
			{"budget", tree{{"ratio", ratio(c.Retry.Budget.Ratio)}, {"burst", c.Retry.Budget.Burst}}},
		}},
		branch{"breaker", tree{
			{"threshold", c.Breaker.Threshold},
			{"failure_ratio", ratio(c.Breaker.FailureRatio)},
			{"min_calls", c.Breaker.MinCalls},
			{"window", span(c.Breaker.Window)},
			{"timeout", span(c.Breaker.Timeout)},
			{"max_timeout", span(c.Breaker.MaxTimeout)},
		}},
		branch{"timeouts", tree{
			{"request", span(c.Timeouts.Request)}, {"first_byte", span(c.Timeouts.FirstByte)}, {"idle_stream", span(c.Timeouts.IdleStream)},
		}},
		branch{"policy", tree{
			{"allowed_models", list(c.Policy.AllowedModels)}, {"denied_models", list(c.Policy.DeniedModels)},
		}},
	)
	var prices tree
	prices.add("file", c.Prices.File)
	prices.add("sha256", c.Prices.SHA256)
	prices.add("overrides", overrides)
	t.add("prices", prices)
	return append(t, branch{"logging", tree{
		{"level", strings.ToLower(c.Logging.Level.String())},
		{"format", c.Logging.Format},
		{"redact_pii", c.Logging.RedactPII},
		{"redact_iban", c.Logging.RedactIBAN},
		{"redact_birth_dates", c.Logging.RedactBirthDates},
		{"redact_literals", list(c.Logging.RedactLiterals)},
		{"redact_patterns", list(c.Logging.RedactPatterns)},
		{"redact_allow", list(c.Logging.RedactAllow)},
	}})
}

func (p Provider) tree() tree {
	var t, headers tree
	t.add("api", p.API)
	t.add("base_url", p.BaseURL)
	var keys []any
	for _, k := range p.Keys {
		keys = append(keys, k.String())
	}
	t.add("api_keys", keys)
	t.add("profile", p.Profile)
	t.add("free_paths", list(p.FreePaths))
	t.add("settlement", p.Settlement)
	for _, name := range sortedKeys(p.Headers) {
		headers.add(name, p.Headers[name].String())
	}
	t.add("headers", headers)
	t.add("output_cap_field", p.OutputCapField)
	t.add("burst", p.Burst)
	t.add("cut_stops_generation", p.CutStopsGeneration)
	return t
}

func (m Model) tree() tree {
	t := tree{}
	t.add("provider", m.Provider)
	var route []any
	for _, step := range m.Route {
		name := step.Provider + "/" + step.Model
		if step.Weight == 0 {
			route = append(route, name)
		} else {
			route = append(route, tree{{"target", name}, {"weight", step.Weight}})
		}
	}
	t.add("route", route)
	t.add("upstream", m.Upstream)
	t.add("rpm", m.RPM)
	t.add("tpm", m.TPM)
	t.add("input_tpm", m.InputTPM)
	t.add("output_tpm", m.OutputTPM)
	t.add("rpd", m.RPD)
	t.add("tpd", m.TPD)
	t.add("concurrency", m.Concurrency)
	t.add("max_output", m.MaxOutput)
	t.add("settlement", m.Settlement)
	t.add("pii", m.PII)
	return t
}

func (p Price) tree() tree {
	if p.Free {
		return tree{{"free", true}}
	}
	var t tree
	t.add("input", p.Input)
	t.add("output", p.Output)
	t.add("cache_read", p.CacheRead)
	t.add("cache_write", p.CacheWrite)
	t.add("cache_write_1h", p.CacheWrite1h)
	t.add("audio_input", p.AudioInput)
	t.add("audio_output", p.AudioOutput)
	return t
}

// span writes a duration as people do: 1m and not 1m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func ratio(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func list(names []string) []any {
	out := make([]any, 0, len(names))
	for _, n := range slices.Clone(names) {
		out = append(out, n)
	}
	return out
}

// MarshalJSON writes the number, or "none".
func (l Limit) MarshalJSON() ([]byte, error) {
	if n, ok := l.Value(); ok {
		return strconv.AppendInt(nil, n, 10), nil
	}
	return strconv.AppendQuote(nil, l.String()), nil
}
