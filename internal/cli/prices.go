package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

func (p *program) pricesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "prices", Short: "See what models cost: show, lint, diff, export, compute", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var provider string
	show := &cobra.Command{
		Use:   "show MODEL",
		Short: "Show what a model costs, and where the price comes from",
		Long: `Show the price in force for a model: the operator's (prices.overrides) before the file's (prices.file) before the built-in one.
Exit codes: 0 there is a price, 1 there is none; the error has the lines of configuration that would give it one.`,
		Example: "  aurea prices show gpt-4o\n  aurea prices show claude-sonnet-4-5 --json\n  aurea prices show deepseek-chat --provider openrouter",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return p.pricesShow(args[0], provider) },
	}
	show.Flags().StringVar(&provider, "provider", "", "who serves it")
	lint := &cobra.Command{
		Use:   "lint [FILE]",
		Short: "List what looks wrong in a price table",
		Long: `List what looks wrong in a file in LiteLLM's format, or in the table in force: discounts that are none, tiers more than three times as dear, cache reads dearer
than the input, writes cheaper, long inputs cheaper than short ones, rows without a price. They are doubts: a provider may sell so.
Exit codes: 0 nothing, 1 doubts, 2 the file cannot be read.`,
		Example:           "  aurea prices lint\n  aurea prices lint litellm.json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: fileOf("json"),
		RunE:              func(_ *cobra.Command, args []string) error { return p.pricesLint(args) },
	}
	diff := &cobra.Command{
		Use:     "diff OLD NEW",
		Short:   "Compare two price files",
		Long:    "Compare two files in LiteLLM's format, as prices export writes them, model by model and price by price. Dollars are per token.",
		Example: "  aurea prices export > before.json\n  aurea prices diff before.json litellm.json",
		Args:    cobra.ExactArgs(2),
		RunE:    func(_ *cobra.Command, args []string) error { return p.pricesDiff(args[0], args[1]) },
	}
	export := &cobra.Command{
		Use:     "export",
		Short:   "Write the price table in force, in LiteLLM's format",
		Example: "  aurea prices export > prices.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			table, err := p.priceTable("")
			if err != nil {
				return err
			}
			return table.WriteFile(p.stdout, time.Now())
		},
	}
	cmd.AddCommand(show, lint, diff, export, p.computeCommand())
	return cmd
}

func (p *program) pricesShow(model, provider string) error {
	table, err := p.priceTable("")
	if err != nil {
		return err
	}
	price, err := table.Lookup(provider, model, time.Now())
	if err != nil {
		return noPrice(err)
	}
	v := viewRow(price)
	if p.flags.json {
		p.event(v)
		return nil
	}
	fmt.Fprintf(p.stdout, "%s (%s)\n", v.Model, v.Provider)
	fmt.Fprintf(p.stdout, "  source   %s, row %s, match %s\n", v.Origin, v.Hash, v.Match)
	if v.ValidFrom != "" {
		fmt.Fprintf(p.stdout, "  since    %s\n", v.ValidFrom)
	}
	if v.ContextWindow > 0 || v.MaxOutput > 0 {
		fmt.Fprintf(p.stdout, "  limits   reads %s, writes %s tokens\n", orUnknown(v.ContextWindow), orUnknown(v.MaxOutput))
	}
	if v.Free {
		fmt.Fprintln(p.stdout, "  free, by the configuration")
		return nil
	}
	p.priceColumns(price)
	for _, fee := range []struct {
		name string
		usd  money.USD
	}{{"web search", price.WebSearch}, {"file search", price.FileSearch}, {"request", price.Request}} {
		if fee.usd != 0 {
			fmt.Fprintf(p.stdout, "  $%s a %s\n", fee.usd, fee.name)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(v.Geo)) {
		fmt.Fprintf(p.stdout, "  × %s in %s\n", v.Geo[place], place)
	}
	if v.Fast != "" {
		fmt.Fprintf(p.stdout, "  × %s in fast mode\n", v.Fast)
	}
	return nil
}

// priceColumns writes dollars per million tokens, a column for each tier and length.
func (p *program) priceColumns(price pricing.Price) {
	type column struct {
		name  string
		rates pricing.Rates
	}
	columns := []column{{"USD per million", price.For(pricing.Standard, 0)}}
	for _, tier := range []string{pricing.Batch, pricing.Flex, pricing.Priority, pricing.Ultrafast} {
		if price.HasTier(tier) {
			columns = append(columns, column{tier, price.For(tier, 0)})
		}
	}
	for _, b := range price.Bands {
		name := fmt.Sprintf(">%dk", b.Over/1000)
		if b.Inclusive {
			name = fmt.Sprintf("≥%dk", b.Over/1000)
		}
		columns = append(columns, column{name, price.For(pricing.Standard, b.Over+1)})
	}
	tab := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range columns {
		fmt.Fprintf(tab, "\t%s", c.name)
	}
	fmt.Fprintln(tab, "\t")
	for _, d := range pricing.Dimensions() {
		if _, own := price.Rates.Get(d); !own && d != pricing.Input && d != pricing.Output {
			continue // it follows from another one
		}
		fmt.Fprintf(tab, "  %s", strings.ReplaceAll(d.String(), "_", " "))
		for _, c := range columns {
			text := ""
			if usd, ok := c.rates.Get(d); ok {
				if million, err := usd.Mul(1_000_000); err == nil {
					text = million.String()
				}
			}
			fmt.Fprintf(tab, "\t%s", text)
		}
		fmt.Fprintln(tab, "\t")
	}
	_ = tab.Flush()
}

func orUnknown(n int64) string {
	if n == 0 {
		return "an unknown number of"
	}
	return fmt.Sprint(n)
}

func (p *program) pricesLint(args []string) error {
	table, err := p.priceTable("")
	if len(args) > 0 {
		table, err = priceFile(args[0])
	}
	if err != nil {
		return err
	}
	doubts := table.Lint()
	if p.flags.json {
		p.event(map[string]any{"doubts": append([]string{}, doubts...)})
	} else {
		for _, doubt := range doubts {
			fmt.Fprintln(p.stdout, doubt)
		}
		p.say("%d doubts", len(doubts))
	}
	if len(doubts) > 0 {
		return &exit{code: exitError, err: fmt.Errorf("%d doubts", len(doubts)), silent: true}
	}
	return nil
}

// priceFile reads a file alone.
func priceFile(name string) (*pricing.Table, error) {
	f, err := os.Open(name) // #nosec G304 -- what the operator named
	if err != nil {
		return nil, &exit{code: exitUsage, err: err}
	}
	defer f.Close()
	table, err := pricing.Empty().WithFile(f)
	if err != nil {
		return nil, &exit{code: exitUsage, err: fmt.Errorf("%s: %w", name, err)}
	}
	return table, nil
}

// priceChange is a line of prices diff --json.
type priceChange struct {
	Model string `json:"model"`
	Field string `json:"field"` // empty: the whole row
	Old   string `json:"old"`
	New   string `json:"new"`
}

func (p *program) pricesDiff(before, after string) error {
	from, err := priceFile(before)
	if err != nil {
		return err
	}
	to, err := priceFile(after)
	if err != nil {
		return err
	}
	changes := []priceChange{}
	for _, c := range pricing.Diff(from, to) {
		changes = append(changes, priceChange(c))
	}
	if p.flags.json {
		p.event(map[string]any{"changes": changes})
		return nil
	}
	for _, c := range changes {
		switch {
		case c.Field != "":
			fmt.Fprintf(p.stdout, "%s: %s: %s → %s\n", c.Model, c.Field, orNone(c.Old), orNone(c.New))
		case c.New != "":
			fmt.Fprintf(p.stdout, "%s: added\n", c.Model)
		default:
			fmt.Fprintf(p.stdout, "%s: removed\n", c.Model)
		}
	}
	p.say("%d differences", len(changes))
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
