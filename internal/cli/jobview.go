package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/andres20980/aurea-orchestrator/internal/jobs"
	"github.com/andres20980/aurea-orchestrator/money"
)

type (
	jobView   = jobs.View
	modelView = jobs.Model
)

func printJob(v jobView, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "job\t%s\n", v.ID)
	if v.Parent != nil {
		fmt.Fprintf(w, "parent\t%s\n", *v.Parent)
	}
	state := v.State
	if v.Reason != "" {
		state += " (" + v.Reason + ")"
	}
	fmt.Fprintf(w, "state\t%s\n", state)
	fmt.Fprintf(w, "items\t%d done, %d failed, %d pending of %d\n", v.Items.Done, v.Items.Failed, v.Items.Pending, v.Items.Total)
	fmt.Fprintf(w, "limit\t$%s\nspent\t$%s\nheld\t$%s\n", v.Limit, v.Spent, v.Held)
	if v.Unconfirmed != (money.Sum{}) {
		fmt.Fprintf(w, "unconfirmed\t$%s (end it with: aurea jobs reconcile %s)\n", v.Unconfirmed, v.ID)
	}
	fmt.Fprintf(w, "remaining\t$%s\nattempts\t%d\n", v.Remaining, v.Attempts)
	fmt.Fprintf(w, "created\t%s\nupdated\t%s\n", v.Created.Format(time.RFC3339), v.Updated.Format(time.RFC3339))
	if err := w.Flush(); err != nil || len(v.ByModel) == 0 {
		return err
	}
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	reported := false
	for _, m := range v.ByModel {
		reported = reported || m.Own != m.Cost
	}
	head, tail := "", func(modelView) string { return "" }
	if reported { // a provider said what it charged
		head, tail = "\tBY PRICE TABLE", func(m modelView) string { return "\t" + m.Own.String() }
	}
	fmt.Fprintln(w, "\nMODEL\tCALLS\tATTEMPTS\tINPUT\tOUTPUT\tCOST USD"+head)
	for _, name := range slices.Sorted(maps.Keys(v.ByModel)) {
		m := v.ByModel[name]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s%s\n", name, m.Calls, m.Attempts, m.InputTokens, m.OutputTokens, m.Cost, tail(m))
	}
	return w.Flush()
}
