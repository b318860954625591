package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func (p *program) dbCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "db", Short: "Look after the database: migrate, status, copy", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	migrate := &cobra.Command{
		Use: "migrate", Short: "Make the database, or bring its schema up to date",
		Long: `Make the database's tables, or bring them up to date. Every command does so when it opens the database; this one does nothing else, for a role
that may create tables where the one that works may not. It may run beside others.`,
		Example: "  aurea db migrate --database postgres://owner@db.internal/aurea?sslmode=verify-full",
		Args:    cobra.NoArgs,
		RunE:    p.withStore(p.dbStatus),
	}
	status := &cobra.Command{
		Use: "status", Short: "Say what the database is, who works on it, and what it has spent",
		Long:    "Say what the database is, how many processes work on it, how many jobs it has, and what they have spent. It opens the database as every command does.",
		Example: "  aurea db status\n  aurea db status --json",
		Args:    cobra.NoArgs,
		RunE:    p.withStore(p.dbStatus),
	}
	var from, to string
	copyAll := &cobra.Command{
		Use: "copy --from sqlite:FILE --to postgres://USER@HOST/NAME", Short: "Move a ledger whole from SQLite to PostgreSQL",
		Long: `Move a ledger whole from a SQLite file into an empty PostgreSQL database: accounts, calls, unconfirmed money, jobs, items and results. Every row is read back
and compared, and the money is added up from the calls, before anything is kept. Nothing may be using the file; it is left as it is. Put it away afterwards: work
on both would spend each budget twice.`,
		Example: "  aurea db copy --from sqlite:aurea.db --to postgres://aurea@db.internal/aurea?sslmode=verify-full",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.dbCopy(cmd.Context(), from, to) },
	}
	copyAll.Flags().StringVar(&from, "from", "", "the file to copy, `sqlite:FILE`")
	copyAll.Flags().StringVar(&to, "to", "", "the empty database to fill, a `URL`")
	for _, name := range []string{"from", "to"} {
		if err := copyAll.MarkFlagRequired(name); err != nil {
			panic(err) // the flags are defined above
		}
	}
	cmd.AddCommand(migrate, status, copyAll)
	return cmd
}

// databaseStatus is what `db status --json` and `db migrate --json` write. Its names are a contract.
type databaseStatus struct {
	Database    string    `json:"database"`
	Schema      int64     `json:"schema"`
	Processes   int       `json:"processes"`
	Dead        int       `json:"dead_processes"`
	Jobs        int       `json:"jobs"`
	Spent       money.Sum `json:"spent_usd"`
	Unconfirmed money.Sum `json:"unconfirmed_usd"` // of single calls; what dead processes cannot explain lies on accounts and is not in it
}

func (p *program) dbStatus(ctx context.Context, st store.Store, _ []string) error {
	s := databaseStatus{Database: st.Describe()}
	var err error
	if s.Schema, _, err = app.Schema(ctx, st); err != nil {
		return err
	}
	live, lerr := st.Owners(ctx, store.OwnerLive)
	dead, derr := st.Owners(ctx, store.OwnerDead)
	jobs, jerr := st.Jobs(ctx, "")
	sums, serr := st.DaySums(ctx, time.Time{}, time.Time{})
	doubts, oerr := st.OpenDoubts(ctx)
	if err := errors.Join(lerr, derr, jerr, serr, oerr); err != nil {
		return err
	}
	s.Processes, s.Dead, s.Jobs = len(live), len(dead), len(jobs)
	for i := range sums {
		s.Spent = s.Spent.Plus(sums[i].Cost)
	}
	for i := range doubts {
		if doubts[i].Call != "" {
			s.Unconfirmed = s.Unconfirmed.Add(doubts[i].Amount)
		}
	}
	if p.flags.json {
		p.event(s)
		return nil
	}
	fmt.Fprintf(p.stdout, "%s: schema %d, %d processes at work, %d dead and not settled, %d jobs, $%s spent, $%s unconfirmed\n",
		visible(s.Database), s.Schema, s.Processes, s.Dead, s.Jobs, s.Spent, s.Unconfirmed)
	return nil
}

func (p *program) dbCopy(ctx context.Context, from, to string) error {
	load := func(database string) (*config.Config, error) {
		o := p.options(config.Options{})
		o.Flags.Database = &database
		return config.Load(o)
	}
	source, err := load(from)
	if err != nil {
		return err
	}
	target, err := load(to)
	if err != nil {
		return err
	}
	if path := source.Database.Path(); path != "" {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	log, red := app.Logger(target, p.stderr)
	p.redact = red.Redact
	rows, err := app.CopyDatabase(ctx, source, target, log)
	if errors.Is(err, store.ErrOwnerLive) {
		return fmt.Errorf("%s is in use; stop every process that works on it, then copy again: %w", source.Database, err)
	}
	if err != nil {
		return err
	}
	if p.flags.json {
		p.event(map[string]any{"from": source.Database, "to": target.Database, "rows": rows})
		return nil
	}
	for _, table := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(p.stdout, "%-10s %d\n", table, rows[table])
	}
	p.say("Every row was read back and is the same, and the money adds up. Put %s away now, and set database: to the new one.", source.Database)
	return nil
}
