package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/store"
)

// logPage is how many rows of the trail are read at a time.
const logPage = 500

func (p *program) jobsLogCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "log [ID]", Short: "Show what was changed by hand: by whom, when, from what to what", Args: cobra.MaximumNArgs(1),
		Example: "  aurea jobs log\n  aurea jobs log nightly --limit 5 --json",
		RunE: p.withStore(func(ctx context.Context, st store.Store, args []string) error {
			if limit < 1 {
				return usageError("--limit %d: want 1 or more", limit)
			}
			job := ""
			if len(args) > 0 {
				job = jobs.ID(args[0])
			}
			return p.logJobs(ctx, st, job, limit)
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "show at most `N` rows, the newest")
	return cmd
}

// changeRow is a row of the trail as `jobs log --json` writes it. Its names are a contract.
type changeRow struct {
	ID      int64           `json:"id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Remote  string          `json:"remote"`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
	Outcome string          `json:"outcome"`
}

func (p *program) logJobs(ctx context.Context, st store.Store, job string, limit int) error {
	books, ok := st.(store.Books)
	if !ok {
		return fmt.Errorf("%s keeps no trail", st.Describe())
	}
	rows := []changeRow{}
	for after := int64(0); len(rows) < limit; {
		changes, next, err := books.Changes(ctx, after, logPage)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if (job == "" || c.Subject == job) && len(rows) < limit {
				rows = append(rows, changeRow{c.ID, c.At, c.Actor, c.Remote, c.Action, aurea.ShortName(c.Subject), valueOf(c.Before), valueOf(c.After), c.Outcome})
			}
		}
		if after = next; next == 0 {
			break
		}
	}
	if p.flags.json {
		p.event(map[string]any{"changes": rows})
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tWHO\tFROM\tACTION\tSUBJECT\tBEFORE\tAFTER\tOUTCOME")
	for _, c := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.At.UTC().Format(time.DateTime), c.Actor, c.Remote, c.Action, c.Subject, c.Before, c.After, c.Outcome)
	}
	return w.Flush()
}

func valueOf(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}
