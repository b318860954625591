package config

// setting is a value that can be set outside of the file: by a variable, by a flag, or by both.
type setting struct {
	variable string
	flag     string
	given    *string // the flag's value
	key      string  // the key it stands for
	secret   bool
	set      func(text string) error
}

// assign returns a setter of *target.
func assign[T any](target *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		got, err := parse(text)
		if err == nil {
			*target = got
		}
		return err
	}
}

// settings lists all of them. Durations are plain seconds here or carry a unit.
func (l *loader) settings() []setting {
	c, f := l.cfg, &l.opts.Flags
	return []setting{
		{"AUREA_DATABASE", "--database", f.Database, "database", false, assign(&c.Database, l.place().database)},
		{"", "--listen", f.Listen, "listen", false, assign(&c.Listen, parseListen)},
		{"AUREA_ADMIN_KEY", "", nil, "admin_key", true, assign(&c.AdminKey, parseKey)},
		{"AUREA_PII", "--pii", f.PII, "pii", false, assign(&c.PII, choice("off", "mask", "block"))},
		{"MAX_JOB_COST", "--max-cost", f.MaxJobCost, "budget.max_job_cost", false, assign(&c.Budget.MaxJobCost, parseMoney)},
		{"DEFAULT_RPM", "--rpm", f.RPM, "limits.default_rpm", false, assign(&c.Limits.DefaultRPM, noting(&c.Limits.DefaultRPMSet, parseLimit))},
		{"DEFAULT_TPM", "--tpm", f.TPM, "limits.default_tpm", false, assign(&c.Limits.DefaultTPM, noting(&c.Limits.DefaultTPMSet, parseLimit))},
		{"MAX_RETRIES", "--max-retries", f.MaxRetries, "retry.max_retries", false, assign(&c.Retry.MaxRetries, retries)},
		{"RETRY_BASE_DELAY", "", nil, "retry.base_delay", false, assign(&c.Retry.BaseDelay, parseSeconds)},
		{"RETRY_MAX_DELAY", "", nil, "retry.max_delay", false, assign(&c.Retry.MaxDelay, parseSeconds)},
		{"CIRCUIT_BREAKER_THRESHOLD", "", nil, "breaker.threshold", false, assign(&c.Breaker.Threshold, calls)},
		{"CIRCUIT_BREAKER_TIMEOUT", "", nil, "breaker.timeout", false, assign(&c.Breaker.Timeout, parsePositiveSeconds)},
		{"ALLOWED_MODELS", "--allow", f.Allow, "policy.allowed_models", false, assign(&c.Policy.AllowedModels, parseNames)},
		{"DENIED_MODELS", "--deny", f.Deny, "policy.denied_models", false, assign(&c.Policy.DeniedModels, parseNames)},
		{"LOG_LEVEL", "--log-level", f.LogLevel, "logging.level", false, assign(&c.Logging.Level, parseLevel)},
		{"REDACT_PII", "", nil, "logging.redact_pii", false, assign(&c.Logging.RedactPII, parseBool)},
	}
}

// applyVariables sets what the environment and .env give. A variable that a flag overrides is read all
// the same: a mistake in it is told now, and not on the day the flag is left out.
func (l *loader) applyVariables() {
	for _, s := range l.settings() {
		text, ok := l.env(s.variable)
		if s.variable == "" || !ok {
			continue
		}
		source, rank := l.origin(s.variable)
		if err := s.set(text); err != nil {
			problem, hint := explainValue(text, s.secret, err)
			l.errs = append(l.errs, &Error{Source: source, Key: s.variable, Problem: problem, Hint: hint, rank: rank})
			continue
		}
		l.sources.origins[s.key] = source + " " + s.variable
	}
	l.unknownVariables()
}

// unknownVariables notes names in .env that look like misspelt ones. Other programs read that file
// too, so it is no mistake.
func (l *loader) unknownVariables() {
	known := []string{"AUREA_CONFIG", "OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"}
	for _, s := range l.settings() {
		if s.variable != "" {
			known = append(known, s.variable)
		}
	}
	isKnown := map[string]bool{}
	for _, name := range known {
		isKnown[name] = true
	}
	for _, name := range sortedKeys(l.dotenv) {
		if near := nearest(name, known); near != "" && !isKnown[name] && !looksSecret(name) {
			l.note(".env", name+" is not a variable of Aurea; did you mean "+near+"?")
		}
	}
}

// applyFlags sets what the command line gives.
func (l *loader) applyFlags() {
	fail := func(flag, problem, hint string) {
		l.errs = append(l.errs, &Error{Source: "command line", Key: flag, Problem: problem, Hint: hint, rank: rankFlag})
	}
	const empty = "give it a value, or leave it out"
	if f := l.opts.Flags.Config; f != nil && *f == "" {
		fail("--config", "has an empty value", empty)
	}
	for _, s := range l.settings() {
		if s.given == nil {
			continue
		}
		if *s.given == "" {
			fail(s.flag, "has an empty value", empty)
			continue
		}
		if err := s.set(*s.given); err != nil {
			problem, hint := explainValue(*s.given, s.secret, err)
			fail(s.flag, problem, hint)
			continue
		}
		l.sources.origins[s.key] = s.flag
	}
}
