package config

import (
	"log/slog"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Config is everything that can be set. [Load] returns it complete: defaults filled in, paths
// absolute, references checked. It is not changed afterwards and safe for concurrent reading.
type Config struct {
	// Database is where jobs and money are kept. Default: the SQLite file aurea/aurea.db in
	// $XDG_STATE_HOME, without that variable in ~/.local/state.
	Database Database
	// StateDir is the folder for what is kept between runs besides the database, $XDG_STATE_HOME/aurea; empty if there is none.
	StateDir string
	// Listen is the address of the gateway, HOST:PORT. Default: 127.0.0.1:8080.
	Listen string
	// TLS is what the gateway proves itself with.
	TLS TLS
	// AdminKey opens the admin API. Default: none, and the admin API answers only on loopback.
	AdminKey Secret
	// PII says what becomes of personal data and credentials in requests to providers: "off" sends them, "mask" sends placeholders and puts the values back into
	// the answers, "block" refuses such requests. Default: off.
	PII string
	// Timezone is where days begin for windows of a day. Default: UTC.
	Timezone *time.Location
	// Providers are the providers in the order of the file, then those the environment configures.
	Providers []Provider
	// Models are the models entries in the order of the file, which decides among globs.
	Models []Model

	Limits   Limits
	Budget   Budget
	Retry    Retry
	Breaker  Breaker
	Timeouts Timeouts
	Policy   Policy
	Prices   Prices
	Logging  Logging

	notes   []string
	sources Sources
}

// TLS names the files of a certificate and of its private key, in PEM. Both or neither are given; with them the gateway speaks TLS 1.2 or later.
type TLS struct{ Cert, Key string }

// Wire formats of a [Provider].
const (
	APIOpenAI    = "openai"
	APIAnthropic = "anthropic"
)

// Provider is one place that answers model calls.
type Provider struct {
	// Name is the provider's key under providers: letters, digits, ".", "_" and "-".
	Name string
	// API is the format it speaks, "openai" or "anthropic". Default: the name, if it is one of them.
	API string
	// BaseURL is an http or https URL without a slash at the end. For openai it ends with the version
	// (…/v1), for anthropic it is the root. Default: for the names openai and anthropic the variables
	// OPENAI_BASE_URL and ANTHROPIC_BASE_URL, else the providers' own addresses.
	BaseURL string
	// Keys are the API keys, first to last, from api_key and api_keys. Default: for the names openai
	// and anthropic OPENAI_API_KEY and ANTHROPIC_API_KEY, else none.
	Keys []Secret
	// Profile says how the provider counts and limits: generic, openai, anthropic, azure or gemini.
	// Default: by the host of BaseURL where it is the provider's own, else generic.
	Profile string
	// FreePaths are globs of paths after the base URL, such as "moderations" or "files/*", that cost nothing: the gateway passes requests to them through.
	FreePaths []string
	// Settlement says whether the provider's limiter gives unused tokens back: "none" or "refund".
	// Default: "", as the profile says.
	Settlement string
	// Headers are sent with every request. Their values are treated as secrets.
	Headers map[string]Secret
	// OutputCapField is the name of the field that caps the output of a chat completion. Default: "",
	// as the profile says.
	OutputCapField string
	// Burst is how many idle requests the provider's limiter lets go at once. Default: 0, as the
	// profile says.
	Burst int64
	// CutStopsGeneration says whether the provider stops generating, and billing, when a stream is
	// cut. Default: nil, as the profile says.
	CutStopsGeneration *bool
	// Unusable says why no call can be sent to the provider, and what would mend it. "" if nothing
	// is wrong. It is set where a key is written as ${NAME} and there is no such variable, which is no
	// error before the provider is needed.
	Unusable string
}

// Model is one entry under models: a name or a glob, and what holds for the models it matches.
type Model struct {
	// Key is the name or the glob (* and ?).
	Key string
	// Provider serves the model. Default: "", found by name.
	Provider string
	// Route lists the targets to try in turn, in place of Provider.
	Route []Target
	// Upstream is the name sent to the provider. Default: "", the name that was asked for.
	Upstream string
	// RPM is requests per minute, TPM tokens per minute. Default: those of [Limits].
	RPM, TPM Limit
	// InputTPM and OutputTPM are tokens per minute where the provider counts the two apart.
	InputTPM, OutputTPM Limit
	// RPD and TPD are requests and tokens per day.
	RPD, TPD Limit
	// Concurrency is the number of calls in flight.
	Concurrency Limit
	// MaxOutput is the most tokens the model can write. Default: 0, as the price table says.
	MaxOutput int64
	// Settlement is as for the provider, and goes before it.
	Settlement string
	// PII is as for all models, and goes before it. Default: "", as for all.
	PII string
}

// Target is one step of a route.
type Target struct {
	// Provider is the name of a configured provider, Model the name it knows.
	Provider, Model string
	// Weight is the share of first attempts relative to the other targets. Default: 0, none given.
	Weight int64
}

// Limits are the limits of models that set none of their own, and of the gateway.
type Limits struct {
	// DefaultRPM and DefaultTPM are requests and tokens per model and minute. Defaults: 60, 100000.
	// Never [Unset]. Where nobody wrote one down it is a guess, which a provider's headers replace in
	// both directions; DefaultRPMSet and DefaultTPMSet say that the operator did.
	DefaultRPM, DefaultTPM       Limit
	DefaultRPMSet, DefaultTPMSet bool
	// MaxWait is how long a call waits for a limit or for money. Default: 120s. 0 refuses at once.
	MaxWait time.Duration
	// MaxBody is the largest request body in bytes. Default: 50MB.
	MaxBody int64
}

// Budget says what jobs may spend and how a call's worst case is found.
type Budget struct {
	// MaxJobCost is the limit of a job that names none. Default: 10.0 dollars.
	MaxJobCost money.Sum
	// UnboundedInput says what becomes of a request whose input has no bound in its bytes, such as an
	// image behind a URL: "max" takes the model's whole context for it, "refuse" refuses. Default: max.
	UnboundedInput string
	// Bound says how an input is bounded: "proven" by bytes only, "tight" with a second look where
	// that does not fit the budget. Default: tight.
	Bound string
	// Unconfirmed says what becomes of money whose use is unknown: "keep" leaves it counted until
	// someone reconciles it, "expected" books the model's mean share after 24 h. Default: keep.
	Unconfirmed string
	// OutputCap is put into requests that have no cap of their own.
	OutputCap OutputCap
}

// OutputCap holds the caps in tokens that are injected into requests without one.
type OutputCap struct {
	// Default and Floor bound the cap of ordinary models. Defaults: 4096, 1024. If only one of a pair
	// is set, the other moves with it where it has to.
	Default, Floor int64
	// ReasoningDefault and ReasoningFloor are the same for reasoning models. Defaults: 32768, 8192.
	ReasoningDefault, ReasoningFloor int64
}

// Retry says how failed attempts are repeated.
type Retry struct {
	// MaxRetries is how often, so that a call has one attempt more. Default: 3.
	MaxRetries int
	// BaseDelay is the delay before the first retry, doubled for each next one up to MaxDelay.
	// Defaults: 1s, 60s.
	BaseDelay, MaxDelay time.Duration
	// Budget keeps retries from multiplying an outage.
	Budget RetryBudget
}

// RetryBudget is what a provider's calls may repeat in all: a retry takes 1, a first attempt gives Ratio.
type RetryBudget struct {
	// Ratio is given back by a first attempt. Default: 0.1.
	Ratio float64
	// Burst is the most that is kept, and what there is at the start. Default: 1000.
	Burst int64
}

// Breaker says when a failing provider is left alone.
type Breaker struct {
	// Threshold opens after so many failures in a row. Default: 5. 0 switches the rule off.
	Threshold int
	// FailureRatio opens at this share of failures among at least MinCalls calls in Window.
	// Defaults: 0.5, 20, 10s. 0 switches the rule off.
	FailureRatio float64
	MinCalls     int
	Window       time.Duration
	// Timeout is how long it stays open at first, MaxTimeout how long after doublings; MaxTimeout is
	// never less than Timeout. Defaults: 60s, 120s.
	Timeout, MaxTimeout time.Duration
}

// Timeouts bound one attempt.
type Timeouts struct {
	// Request bounds the whole attempt. Default: 600s.
	Request time.Duration
	// FirstByte bounds the wait for the first byte of a stream. Default: 120s.
	FirstByte time.Duration
	// IdleStream bounds the silence within a stream. Default: 60s.
	IdleStream time.Duration
}

// Policy lists the models that may be used: exact names or globs, denied wins.
type Policy struct {
	// AllowedModels, if not empty, are the only models that may be used. Default: empty.
	AllowedModels []string
	// DeniedModels may not be used. Default: empty.
	DeniedModels []string
}

// Prices extend the built-in price table.
type Prices struct {
	// File is the absolute path, or the address, of a table in LiteLLM's format. Default: "", none.
	File string
	// SHA256 is the checksum that a table from an address must have, 64 hex digits. Default: "", any.
	SHA256 string
	// Overrides are prices by model name, in the order of the file. They go before any table.
	Overrides []Price
}

// Price is an operator's word on what a model costs, in US dollars per million tokens. A nil field is
// not given.
type Price struct {
	// Model is the exact name.
	Model string
	// Free says that the model costs nothing; then no other field is set.
	Free bool

	Input, Output, CacheRead, CacheWrite, CacheWrite1h, AudioInput, AudioOutput *money.USD
}

// fields lists the prices in the order of the struct.
func (p Price) fields() []*money.USD {
	return []*money.USD{p.Input, p.Output, p.CacheRead, p.CacheWrite, p.CacheWrite1h, p.AudioInput, p.AudioOutput}
}

// Logging says what is logged.
type Logging struct {
	// Level is the least severe level that is logged. Default: info.
	Level slog.Level
	// Format is "json" or "text". Default: json.
	Format string
	// RedactPII masks personal data. Default: true. Credentials are masked in any case.
	RedactPII bool
	// RedactIBAN and RedactBirthDates mask these too. Default: false.
	RedactIBAN, RedactBirthDates bool
	// RedactLiterals are texts that are masked wherever they stand, RedactPatterns regular expressions
	// in the syntax of package regexp that are matched in each line. Default: empty.
	RedactLiterals, RedactPatterns []string
	// RedactAllow are findings that stay: the text of one, or "@DOMAIN" for its mail addresses. Default:
	// empty.
	RedactAllow []string
}

// Provider returns the provider of that name.
func (c *Config) Provider(name string) (Provider, bool) {
	for _, p := range c.Providers {
		if p.Name == name {
			return p, true
		}
	}
	return Provider{}, false
}

// Notes returns what is not wrong but worth telling the operator, one sentence each.
func (c *Config) Notes() []string { return c.notes }

// Sources returns where the configuration came from.
func (c *Config) Sources() Sources { return c.sources }
