package config

import (
	"slices"
	"strings"
)

// single is a key with one value of its own.
func single(name string, read func(*reader, value)) field { return field{name: name, read: read} }

// group is a key with the given keys below it.
func group(name string, fields []field) field {
	return field{name: name, read: func(r *reader, v value) { r.mapping(v, fields) }, sub: fields, below: "."}
}

// many is a key that holds any number of things with the given keys each, below names of the
// operator's own or in a list.
func many(name, below string, fields []field, read func(*reader, value)) field {
	return field{name: name, read: read, sub: fields, below: below}
}

const (
	byName = ".NAME."
	inList = "[]."
)

// sections are the keys at the top of the file.
func sections(c *Config) []field {
	return []field{
		single("database", func(r *reader, v value) { into(&c.Database, r.place.database)(r, v) }),
		single("listen", into(&c.Listen, parseListen)),
		group("tls", []field{
			single("cert", func(r *reader, v value) { into(&c.TLS.Cert, r.place.path)(r, v) }),
			single("key", func(r *reader, v value) { into(&c.TLS.Key, r.place.path)(r, v) }),
		}),
		single("admin_key", func(r *reader, v value) { c.AdminKey = r.secret(v, parseKey, true) }),
		single("pii", into(&c.PII, choice("off", "mask", "block"))),
		single("timezone", into(&c.Timezone, parseZone)),
		many("providers", byName, providerFields(&Provider{}), func(r *reader, v value) { r.providers(v, c) }),
		many("models", byName, modelFields(&Model{}), func(r *reader, v value) { r.models(v, c) }),
		group("limits", limitFields(&c.Limits)),
		group("budget", budgetFields(&c.Budget)),
		group("retry", retryFields(&c.Retry)),
		group("breaker", breakerFields(&c.Breaker)),
		group("timeouts", timeoutFields(&c.Timeouts)),
		group("policy", policyFields(&c.Policy)),
		group("prices", priceFields(&c.Prices)),
		group("logging", loggingFields(&c.Logging)),
	}
}

func providerFields(p *Provider) []field {
	return []field{
		single("api", into(&p.API, choice(APIOpenAI, APIAnthropic))),
		single("base_url", into(&p.BaseURL, parseBaseURL)),
		single("api_key", func(r *reader, v value) { p.addKey(r.secret(v, parseKey, true)) }),
		single("api_keys", func(r *reader, v value) {
			for _, item := range r.items(v) {
				p.addKey(r.secret(item, parseKey, true))
			}
		}),
		single("profile", into(&p.Profile, choice("generic", "openai", "anthropic", "azure", "gemini"))),
		single("free_paths", func(r *reader, v value) { p.FreePaths = r.names(v) }),
		single("settlement", into(&p.Settlement, choice("none", "refund"))),
		single("headers", func(r *reader, v value) { p.Headers = r.headers(v) }),
		single("output_cap_field", into(&p.OutputCapField, parseField)),
		single("burst", into(&p.Burst, tokens)),
		single("cut_stops_generation", into(&p.CutStopsGeneration, parseBoolPointer)),
	}
}

func (p *Provider) addKey(key Secret) {
	if !key.IsSet() {
		return
	}
	if slices.Contains(p.Keys, key) {
		return
	}
	p.Keys = append(p.Keys, key)
}

func modelFields(m *Model) []field {
	return []field{
		single("provider", into(&m.Provider, parseName)),
		many("route", inList, targetFields(&Target{}), func(r *reader, v value) { m.Route = r.route(v) }),
		single("upstream", into(&m.Upstream, parseName)),
		single("rpm", into(&m.RPM, parseLimit)),
		single("tpm", into(&m.TPM, parseLimit)),
		single("input_tpm", into(&m.InputTPM, parseLimit)),
		single("output_tpm", into(&m.OutputTPM, parseLimit)),
		single("rpd", into(&m.RPD, parseLimit)),
		single("tpd", into(&m.TPD, parseLimit)),
		single("concurrency", into(&m.Concurrency, parseLimit)),
		single("max_output", into(&m.MaxOutput, parseMaxOutput)),
		single("settlement", into(&m.Settlement, choice("none", "refund"))),
		single("pii", into(&m.PII, choice("off", "mask", "block"))),
	}
}

func targetFields(t *Target) []field {
	return []field{
		single("target", func(r *reader, v value) { r.target(v, t) }),
		single("weight", into(&t.Weight, weight)),
	}
}

func limitFields(l *Limits) []field {
	return []field{
		single("default_rpm", into(&l.DefaultRPM, noting(&l.DefaultRPMSet, parseLimit))),
		single("default_tpm", into(&l.DefaultTPM, noting(&l.DefaultTPMSet, parseLimit))),
		single("max_wait", into(&l.MaxWait, parseDuration)),
		single("max_body", into(&l.MaxBody, parseSize)),
	}
}

func budgetFields(b *Budget) []field {
	return []field{
		single("max_job_cost", into(&b.MaxJobCost, parseMoney)),
		single("unbounded_input", into(&b.UnboundedInput, choice("max", "refuse"))),
		single("bound", into(&b.Bound, choice("tight", "proven"))),
		single("unconfirmed", into(&b.Unconfirmed, choice("keep", "expected"))),
		group("output_cap", []field{
			single("default", into(&b.OutputCap.Default, tokens)),
			single("floor", into(&b.OutputCap.Floor, tokens)),
			single("reasoning_default", into(&b.OutputCap.ReasoningDefault, tokens)),
			single("reasoning_floor", into(&b.OutputCap.ReasoningFloor, tokens)),
		}),
	}
}

func retryFields(t *Retry) []field {
	return []field{
		single("max_retries", into(&t.MaxRetries, retries)),
		single("base_delay", into(&t.BaseDelay, parseDuration)),
		single("max_delay", into(&t.MaxDelay, parseDuration)),
		group("budget", []field{
			single("ratio", into(&t.Budget.Ratio, parseRatio)),
			single("burst", into(&t.Budget.Burst, burst)),
		}),
	}
}

func breakerFields(b *Breaker) []field {
	return []field{
		single("threshold", into(&b.Threshold, calls)),
		single("failure_ratio", into(&b.FailureRatio, parseRatio)),
		single("min_calls", into(&b.MinCalls, calls)),
		single("window", into(&b.Window, parsePositive)),
		single("timeout", into(&b.Timeout, parsePositive)),
		single("max_timeout", into(&b.MaxTimeout, parsePositive)),
	}
}

func timeoutFields(t *Timeouts) []field {
	return []field{
		single("request", into(&t.Request, parsePositive)),
		single("first_byte", into(&t.FirstByte, parsePositive)),
		single("idle_stream", into(&t.IdleStream, parsePositive)),
	}
}

func policyFields(p *Policy) []field {
	return []field{
		single("allowed_models", func(r *reader, v value) { p.AllowedModels = r.names(v) }),
		single("denied_models", func(r *reader, v value) { p.DeniedModels = r.names(v) }),
	}
}

func priceFields(p *Prices) []field {
	return []field{
		single("file", func(r *reader, v value) { into(&p.File, r.place.pathOrURL)(r, v) }),
		single("sha256", into(&p.SHA256, parseSHA256)),
		many("overrides", byName, overrideFields(&Price{}), func(r *reader, v value) {
			r.entries(v, func(name string, v value) { p.Overrides = append(p.Overrides, r.price(name, v)) })
		}),
	}
}

func overrideFields(p *Price) []field {
	return []field{
		single("input", into(&p.Input, parsePrice)),
		single("output", into(&p.Output, parsePrice)),
		single("cache_read", into(&p.CacheRead, parsePrice)),
		single("cache_write", into(&p.CacheWrite, parsePrice)),
		single("cache_write_1h", into(&p.CacheWrite1h, parsePrice)),
		single("audio_input", into(&p.AudioInput, parsePrice)),
		single("audio_output", into(&p.AudioOutput, parsePrice)),
		single("free", into(&p.Free, parseBool)),
	}
}

func loggingFields(l *Logging) []field {
	return []field{
		single("level", into(&l.Level, parseLevel)),
		single("format", into(&l.Format, choice("json", "text"))),
		single("redact_pii", into(&l.RedactPII, parseBool)),
		single("redact_iban", into(&l.RedactIBAN, parseBool)),
		single("redact_birth_dates", into(&l.RedactBirthDates, parseBool)),
		single("redact_literals", func(r *reader, v value) { l.RedactLiterals = r.texts(v, parseText) }),
		single("redact_patterns", func(r *reader, v value) { l.RedactPatterns = r.texts(v, parsePattern) }),
		single("redact_allow", func(r *reader, v value) { l.RedactAllow = r.texts(v, parseText) }),
	}
}

// synonyms are other programs' words for our keys.
var synonyms = map[string]string{
	"cached_input": "cache_read", "cache_read_input": "cache_read", "cache_creation": "cache_write",
	"key": "api_key", "apikey": "api_key", "token": "api_key", "url": "base_url", "api_base": "base_url",
	"endpoint": "base_url", "type": "api", "model": "upstream", "max_tokens": "max_output",
	"requests_per_minute": "rpm", "tokens_per_minute": "tpm", "max_parallel_requests": "concurrency",
	"fallbacks": "route", "allow": "allowed_models", "deny": "denied_models", "whitelist": "allowed_models",
	"blacklist": "denied_models", "max_budget": "budget.max_job_cost", "max_cost": "budget.max_job_cost",
	"tz": "timezone", "db": "database", "address": "listen", "host": "listen", "port": "listen",
}

// Keys returns every key of the file in the order of the reference, such as "limits.max_wait"; NAME
// stands for a name of the operator's own, [] for an element of a list.
func Keys() []string {
	return paths("", sections(&Config{}))
}

func paths(prefix string, fields []field) []string {
	var out []string
	for _, f := range fields {
		if f.sub == nil {
			out = append(out, prefix+f.name)
		} else {
			out = append(out, paths(prefix+f.name+f.below, f.sub)...)
		}
	}
	return out
}

// placesOf returns the keys elsewhere whose last word is name.
func placesOf(name string) []string {
	var out []string
	for _, key := range Keys() {
		if key == name || strings.HasSuffix(key, "."+name) {
			out = append(out, key)
		}
	}
	return out
}
