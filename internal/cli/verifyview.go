package cli

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/verify"
)

// verificationView is a comparison as `verify --json` writes it. Its names are a contract.
type verificationView struct {
	Agrees  bool            `json:"agrees"`
	Formats []verify.Format `json:"formats"`
	Days    []verify.Cell   `json:"days"`
	Totals  struct {
		Ledger      verify.Side `json:"ledger"`
		Export      verify.Side `json:"export"`
		Unconfirmed money.Sum   `json:"unconfirmed_usd"`
	} `json:"totals"`
	Verdicts    map[verify.Verdict]int `json:"verdicts"`
	Settled     bool                   `json:"settled"` // --settle, and all of proven was written
	Proven      []provenView           `json:"proven"`
	Left        []verify.Remainder     `json:"left"`
	Unexplained money.Sum              `json:"unexplained_usd"`
	Notes       []string               `json:"notes"`
}

type provenView struct {
	Call        string    `json:"call"`
	Attempt     int       `json:"attempt"`
	Job         string    `json:"job"`
	Day         string    `json:"day"`
	Provider    string    `json:"provider"`
	Model       string    `json:"model"`
	Unconfirmed money.USD `json:"unconfirmed_usd"`
	Spent       money.USD `json:"spent_usd"`
	Released    money.USD `json:"released_usd"`
	Proof       string    `json:"proof"`
	Settled     bool      `json:"settled"`
}

func viewVerification(r *verify.Report) verificationView {
	v := verificationView{
		Agrees: r.Agrees(), Formats: r.Formats, Days: r.Cells, Verdicts: r.Verdicts, Left: r.Left, Unexplained: r.Unexplained, Notes: r.Notes,
		Proven: []provenView{},
	}
	v.Totals.Ledger, v.Totals.Export, v.Totals.Unconfirmed = r.Total, r.Billed, r.Unconfirmed
	for _, p := range r.Proven {
		s := p.Settlement
		v.Proven = append(v.Proven, provenView{
			Call: s.Call, Attempt: s.Attempt, Job: aurea.ShortName(p.Job), Day: p.Day, Provider: p.Provider, Model: p.Model,
			Unconfirmed: s.Doubt, Spent: s.Cost, Released: s.Doubt - s.Cost, Proof: p.Why,
		})
	}
	// Lists are never null.
	if v.Days == nil {
		v.Days = []verify.Cell{}
	}
	if v.Left == nil {
		v.Left = []verify.Remainder{}
	}
	if v.Notes == nil {
		v.Notes = []string{}
	}
	return v
}

// print writes the comparison for people.
func (v *verificationView) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DAY\tMODEL\tREQUESTS\tINPUT\tOUTPUT\tLEDGER USD\tEXPORT USD\tDIFFERENCE\tUNCONFIRMED\tVERDICT")
	for i := range v.Days {
		d := &v.Days[i]
		verdict := string(d.Verdict)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Day, visible(d.Model), both(d.Ours.Requests, d.Theirs.Requests),
			both(d.Ours.InputTokens, d.Theirs.InputTokens), both(d.Ours.OutputTokens, d.Theirs.OutputTokens),
			dollars(d.Ours.Cost), dollars(d.Theirs.Cost), difference(d), openMoney(d.Unconfirmed), verdict)
	}
	t := &v.Totals
	var off *money.Sum
	if t.Ledger.Cost != nil && t.Export.Cost != nil {
		sum := t.Export.Cost.Minus(*t.Ledger.Cost)
		off = &sum
	}
	fmt.Fprintf(w, "TOTAL\t\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", both(t.Ledger.Requests, t.Export.Requests), both(t.Ledger.InputTokens, t.Export.InputTokens),
		both(t.Ledger.OutputTokens, t.Export.OutputTokens), dollars(t.Ledger.Cost), dollars(t.Export.Cost), signed(off), openMoney(t.Unconfirmed))
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range v.Days {
		if d := &v.Days[i]; d.Note != "" {
			fmt.Fprintf(out, "\n%s %s: %s", d.Day, visible(d.Model), d.Note)
		}
	}
	fmt.Fprintln(out)
	v.printProven(out)
	for _, l := range v.Left {
		fmt.Fprintf(out, "left unconfirmed: $%s of %s, %s %s: %s\n", l.Amount, counted(l.Calls), cmp.Or(l.Day, "(day not known)"), visible(l.Model), visible(l.Why))
	}
	if v.Unexplained != (money.Sum{}) {
		fmt.Fprintf(out, "left unconfirmed: $%s that processes had leased when they died, for calls that nobody knows: see aurea jobs reconcile\n", v.Unexplained)
	}
	for _, n := range v.Notes {
		fmt.Fprintf(out, "note: %s\n", visible(n))
	}
	return nil
}

// printProven tells what is proven by day, model and job.
func (v *verificationView) printProven(out io.Writer) {
	type sum struct {
		first           *provenView
		calls           int
		spent, released money.Sum
		stale           int
	}
	var order []string
	sums := map[string]*sum{}
	for i := range v.Proven {
		p := &v.Proven[i]
		key := p.Day + "\x00" + p.Model + "\x00" + p.Job + "\x00" + p.Proof
		if sums[key] == nil {
			sums[key] = &sum{first: p}
			order = append(order, key)
		}
		s := sums[key]
		if v.Settled && !p.Settled {
			s.stale++
			continue
		}
		s.calls++
		s.spent, s.released = s.spent.Add(p.Spent), s.released.Add(p.Released)
	}
	said := "proven"
	if v.Settled {
		said = "settled"
	}
	for _, key := range order {
		s := sums[key]
		fmt.Fprintf(out, "%s: %s of %s on %s, %s: $%s spent, $%s released: %s\n",
			said, counted(s.calls), visible(cmp.Or(s.first.Job, "no job")), s.first.Day, visible(s.first.Model), s.spent, s.released, visible(s.first.Proof))
		if s.stale > 0 {
			fmt.Fprintf(out, "  %d more had been ended by somebody else meanwhile\n", s.stale)
		}
	}
	if len(order) > 0 && !v.Settled {
		fmt.Fprintln(out, "nothing was written; the same command with --settle writes it")
	}
}

// counted is a number of calls.
func counted(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprint(n, " calls")
}

// both is a figure of the ledger and of the export, once if they are the same.
func both(ours, theirs *int64) string {
	switch {
	case ours == nil && theirs == nil:
		return "-"
	case theirs == nil:
		return fmt.Sprintf("%d/-", *ours)
	case ours == nil:
		return fmt.Sprintf("-/%d", *theirs)
	case *ours == *theirs:
		return fmt.Sprint(*ours)
	}
	return fmt.Sprintf("%d/%d", *ours, *theirs)
}

func dollars(s *money.Sum) string {
	if s == nil {
		return "-"
	}
	return s.String()
}

// difference is in dollars, or in tokens where the export has none.
func difference(d *verify.Cell) string {
	if d.Difference.Cost != nil {
		return signed(d.Difference.Cost)
	}
	if in, out := d.Difference.InputTokens, d.Difference.OutputTokens; in != nil && out != nil {
		if *in == 0 && *out == 0 {
			return "0"
		}
		return fmt.Sprintf("%+d/%+d tokens", *in, *out)
	}
	return "-"
}

func signed(s *money.Sum) string {
	switch {
	case s == nil:
		return "-"
	case *s == money.Sum{} || s.Negative():
		return s.String()
	}
	return "+" + s.String()
}

func openMoney(s money.Sum) string {
	if s == (money.Sum{}) {
		return "-"
	}
	return s.String()
}
