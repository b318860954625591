package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// Statuses of a computed price. They are a contract.
const (
	statusExact   = "exact"         // what the provider charges
	statusUpper   = "estimated"     // at least what he charges
	statusUnknown = "unknown_model" // no price
	statusInvalid = "invalid_usage" // counts that are missing, impossible, or do not tell all
)

// computed is what `prices compute` says, always one of it. Its names are a contract.
type computed struct {
	Cost *money.USD `json:"cost_usd"`
	// Complete: the answer ended, and its counts are final.
	Complete bool       `json:"complete"`
	Status   string     `json:"status"`
	Usage    *usageView `json:"usage"`
	Price    *priceView `json:"price"`
	Own      *money.USD `json:"own_usd,omitempty"` // by the price table, where the provider reported a cost
	Reason   string     `json:"reason,omitempty"`
	Hint     string     `json:"hint,omitempty"`
}

// maxAnswer is how much of standard input is read.
const maxAnswer = 1 << 30

// computeFlags are the flags of prices compute.
type computeFlags struct{ api, model, provider, tier, file, request string }

var computeAPIs = []string{"chat", "completions", "responses", "embeddings", "messages", "gemini"}

func (p *program) computeCommand() *cobra.Command {
	var f computeFlags
	cmd := &cobra.Command{
		Use:   "compute",
		Short: "Price a provider's answer",
		Long: `Read one answer of a provider on standard input, streamed or not, and write what it cost as one JSON object. Nothing is sent.

  exact          what the provider charges
  estimated      at least what it charges: the answer says too little, and --request bounds it, or the tier has no price
  unknown_model  the model has no price, or none for a kind of token in the answer
  invalid_usage  the counts are missing, impossible, or do not tell everything that is billed

Exit codes: 0 for exact and estimated, 1 for the others, 2 for flags that are wrong.`,
		Example: `  aurea prices compute --api chat --model gpt-4o-mini < answer.json
  aurea prices compute --api messages --model claude-sonnet-4-5 --tier batch < answer.json
  aurea prices compute --api responses --model my-model --file litellm.json --request request.json < answer.sse`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return p.miscalled(err)
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return p.compute(f) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return p.miscalled(err) })
	flags := cmd.Flags()
	flags.StringVar(&f.api, "api", "", "format of the answer: "+listed(computeAPIs))
	flags.StringVar(&f.model, "model", "", "the model that was asked for; by default the one in --request")
	flags.StringVar(&f.provider, "provider", "", "who served it, such as openai or openrouter")
	flags.StringVar(&f.tier, "tier", "", "tier of service, where the answer does not name it: batch, flex or priority")
	flags.StringVar(&f.file, "file", "", "prices in LiteLLM's format that go before the built-in ones")
	flags.StringVar(&f.request, "request", "", "the request's body, which bounds what its answer leaves open")
	completeWith(cmd, "api", words(computeAPIs))
	completeWith(cmd, "tier", words([]string{"batch", "flex", "priority"}))
	return cmd
}

// compute writes one object whatever happens.
func (p *program) compute(f computeFlags) error { return p.sayComputed(p.computed(f)) }

// miscalled writes the object for a command line that cannot be read.
func (p *program) miscalled(err error) error {
	return p.sayComputed(computed{Status: statusInvalid, Reason: err.Error(), Hint: computeHelp}, exitUsage)
}

const computeHelp = "see aurea prices compute --help"

func (p *program) sayComputed(c computed, code int) error {
	c.Reason, c.Hint = p.redact(c.Reason), p.redact(c.Hint)
	p.event(c)
	if code == exitDone {
		return nil
	}
	return &exit{code: code, err: errors.New(c.Status), silent: true}
}

func (p *program) computed(f computeFlags) (computed, int) {
	wrong := func(format string, args ...any) (computed, int) {
		return computed{Status: statusInvalid, Reason: fmt.Sprintf(format, args...), Hint: computeHelp}, exitUsage
	}
	api := usage.API(f.api)
	switch {
	case !api.Known():
		return wrong("--api %q: want %s", f.api, listed(computeAPIs))
	case f.tier != "" && f.tier != pricing.Batch && f.tier != pricing.Flex && f.tier != pricing.Priority:
		return wrong("--tier %q: want batch, flex or priority", f.tier)
	}
	request, err := readOptional(f.request)
	if err != nil {
		return wrong("--request: %v", err)
	}
	answer, err := io.ReadAll(io.LimitReader(p.stdin, maxAnswer+1))
	switch {
	case err != nil:
		return computed{Status: statusInvalid, Reason: err.Error()}, exitError
	case len(answer) > maxAnswer:
		return computed{Status: statusInvalid, Reason: fmt.Sprintf("the answer is larger than %d MiB", maxAnswer>>20)}, exitError
	}
	table, err := p.priceTable(f.file)
	if err != nil {
		return computed{Status: statusUnknown, Reason: err.Error()}, exitUsage
	}
	job := computation{api: api, flags: f, table: table, answer: answer}
	if request != nil {
		r, err := usage.ReadRequest(api, request)
		if err != nil {
			return computed{Status: statusInvalid, Reason: fmt.Sprintf("--request %s: %v", f.request, err)}, exitError
		}
		job.request, job.body = &r, request
		if job.flags.model == "" {
			job.flags.model = r.Model
		}
	}
	if job.flags.model == "" {
		return wrong("--model is missing")
	}
	c := job.run()
	if c.Cost == nil {
		return c, exitError
	}
	return c, exitDone
}

// priceTable is the table that this invocation goes by, with a file over it.
func (p *program) priceTable(file string) (*pricing.Table, error) {
	cfg, err := p.load(config.Options{})
	if err != nil {
		return nil, err
	}
	table, err := app.Prices(cfg)
	if err != nil || file == "" {
		return table, err
	}
	f, err := os.Open(file) // #nosec G304 -- what the operator named
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	defer f.Close()
	table, err = table.WithFile(f)
	if err != nil {
		return nil, fmt.Errorf("--file %s: %w", file, err)
	}
	return table, nil
}

func readOptional(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	return os.ReadFile(file) // #nosec G304 -- what the operator named
}

// computation prices one answer.
type computation struct {
	api     usage.API
	flags   computeFlags
	table   *pricing.Table
	request *usage.Request
	body    []byte // of the request
	answer  []byte
}

func (j *computation) run() computed {
	now := time.Now()
	u, err := usage.ParseAny(j.api, j.answer)
	price, priceErr := j.table.Lookup(j.flags.provider, j.flags.model, now)
	if snapshot, ok := j.table.Snapshot(j.flags.provider, j.flags.model, u.Model, now); ok && priceErr == nil {
		price = snapshot
	}
	if u.Tier = j.tier(u.Tier); err != nil && !errors.Is(err, usage.ErrMissing) {
		return refused(statusInvalid, err)
	}
	if priceErr != nil {
		return j.unpriced(u, err, priceErr)
	}
	if err != nil || !u.Complete {
		if err == nil {
			err = errors.New("the stream broke off before its counts were final")
		}
		return j.bounded(price, u, err)
	}
	reason := j.guessed(&price, u)
	c := computed{Complete: true, Usage: viewUsage(u), Price: viewPrice(price, u)}
	switch cost, err := usage.Cost(price, u); {
	case err == nil && j.writesUnsplit(u):
		u.CacheWrite, u.CacheWrite1h = 0, u.CacheWrite
		return c.upper(price, u, "the answer does not say for how long its cache was written, and the request asks for an hour")
	case err == nil && reason != "" && !(u.HasReported && u.ReportedBy == price.Provider):
		return c.upper(price, u, reason)
	case err == nil:
		c.Cost, c.Status = &cost, statusExact
		if u.HasReported {
			if own, err := usage.Own(price, u); err == nil {
				c.Own = &own
			}
		}
	case errors.Is(err, usage.ErrTierPrice):
		c.Cost, c.Status, c.Reason = &cost, statusUpper, err.Error()
	case errors.Is(err, usage.ErrNoPrice):
		c.Status, c.Reason = statusUnknown, err.Error()
	case errors.Is(err, usage.ErrUnpriced) && j.request != nil:
		return j.bounded(price, u, err)
	default:
		c.Status, c.Reason = statusInvalid, err.Error()
	}
	return c
}

// tier returns the tier that the call was served in. The answer knows it best, but for batches, whose answers are like others; then the flag, then the request.
func (j *computation) tier(answered string) string {
	switch {
	case j.flags.tier == pricing.Batch:
		return pricing.Batch
	case answered != "" && !strings.EqualFold(answered, "auto"):
		return answered
	case j.flags.tier != "":
		return j.flags.tier
	case j.request != nil:
		return j.request.Tier
	}
	return answered
}

// guessed settles on the price of a web search, by how much the request lets it read, and says what of the price is a guess from above; empty is nothing.
func (j *computation) guessed(price *pricing.Price, u usage.Usage) string {
	if u.WebSearches > 0 && len(price.SearchSizes) > 0 {
		size, ok := searchSize(j.body)
		if j.request == nil || !ok {
			return "the price of a web search depends on its search_context_size, which only the request tells"
		}
		price.WebSearch = price.SearchPrice(size)
	}
	tier := usage.Tier(u.Tier)
	switch tier {
	case pricing.Standard:
		return ""
	case pricing.Batch, pricing.Flex:
		return discountGuessed(price, u, tier)
	}
	for _, used := range []struct {
		d      pricing.Dimension
		tokens int64
	}{
		{pricing.Input, u.Input},
		{pricing.CacheRead, u.CacheRead},
		{pricing.CacheWrite, u.CacheWrite},
		{pricing.CacheWrite1h, u.CacheWrite1h},
		{pricing.AudioIn, u.AudioIn},
		{pricing.ImageIn, u.ImageIn},
		{pricing.Output, u.Output - u.Reasoning},
		{pricing.Reasoning, u.Reasoning},
		{pricing.AudioOut, u.AudioOut},
		{pricing.ImageOut, u.ImageOut},
	} {
		if used.tokens > 0 && price.HasTier(tier) && !price.Sold(tier, u.InputTokens(), used.d) {
			return fmt.Sprintf("the row of %s has no price of %s for calls of this length in tier %s", price.Name, used.d, tier)
		}
	}
	return ""
}

// discountGuessed says what of a discounted price is a guess from above. Groq's flex tier costs what its ordinary one costs (https://console.groq.com/docs/flex-processing).
func discountGuessed(price *pricing.Price, u usage.Usage, tier string) string {
	switch {
	case price.Free:
	case !price.HasTier(tier) && price.Provider != "groq":
		return fmt.Sprintf("the row of %s has no price for tier %s; the ordinary one is taken", price.Name, tier)
	case u.CacheRead > 0 && !price.Sold(tier, u.InputTokens(), pricing.CacheRead):
		return fmt.Sprintf("the row of %s has no price of %s in tier %s; the ordinary one is taken", price.Name, pricing.CacheRead, tier)
	}
	return ""
}

// searchSize returns what a request says of how much a web search may read, and whether it says it once. Chat completions say it in web_search_options, responses at the tool
// (https://platform.openai.com/docs/guides/tools-web-search).
func searchSize(body []byte) (string, bool) {
	var r struct {
		Options struct {
			Size string `json:"search_context_size"`
		} `json:"web_search_options"`
		Tools []struct {
			Type string `json:"type"`
			Size string `json:"search_context_size"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return "", false
	}
	size, said := r.Options.Size, r.Options.Size != ""
	for _, tool := range r.Tools {
		if !strings.HasPrefix(tool.Type, "web_search") {
			continue
		}
		if said && tool.Size != size {
			return "", false
		}
		size, said = tool.Size, true
	}
	return size, true
}

// writesUnsplit reports a cache write of which nobody says for how long, where the request asks for an hour.
func (j *computation) writesUnsplit(u usage.Usage) bool {
	return j.request != nil && j.request.TTL1h && u.CacheWrite > 0 && u.CacheWrite1h == 0 && !bytes.Contains(j.answer, []byte(`"ephemeral_`))
}

func (c computed) upper(price pricing.Price, u usage.Usage, reason string) computed {
	cost, err := usage.Cost(price, u)
	if err != nil {
		return refused(statusInvalid, err)
	}
	c.Cost, c.Status, c.Reason = &cost, statusUpper, reason
	return c
}

// unpriced is the answer for a model without a price. What a provider says that he charged needs none.
func (j *computation) unpriced(u usage.Usage, usageErr, priceErr error) computed {
	c := refused(statusUnknown, priceErr)
	if unknown, ok := errors.AsType[*pricing.UnknownPriceError](priceErr); ok {
		c.Hint = unknown.Hint()
	}
	if usageErr != nil {
		return c
	}
	c.Usage, c.Complete = viewUsage(u), u.Complete
	if u.Complete && u.HasReported && u.ReportedBy == j.flags.provider && u.Reported >= 0 {
		c.Cost, c.Status, c.Reason, c.Hint = &u.Reported, statusExact, "", ""
	}
	return c
}

// bounded prices an answer whose counts are not final by the most that its request can have cost.
func (j *computation) bounded(price pricing.Price, u usage.Usage, why error) computed {
	c := refused(statusInvalid, why)
	c.Price = viewPrice(price, u)
	if j.request == nil {
		c.Hint = "give the request with --request, which bounds the cost"
		return c
	}
	r := *j.request
	if r.Tier == "" || j.flags.tier != "" {
		r.Tier = u.Tier
	}
	limit := r.OutputCap
	if !r.HasCap {
		limit = price.MaxOutput
	}
	most, _, err := usage.Bound(price, r, limit)
	if err != nil || limit == 0 && j.api != usage.Embeddings {
		c.Hint = "the request has no output cap, and the model's maximum is not known"
		return c
	}
	if known, err := usage.Own(price, u); err == nil || errors.Is(err, usage.ErrUnpriced) {
		most = max(most, known)
	}
	c.Cost, c.Status = &most, statusUpper
	return c
}

func refused(status string, err error) computed { return computed{Status: status, Reason: err.Error()} }
