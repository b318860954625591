package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/internal/progress"
	"github.com/andres20980/aurea-orchestrator/money"
)

// planColumns is how wide the table is at most, and planRows how many models it has.
const (
	planColumns = 80
	planRows    = 20
)

// table writes the plan for people.
func (v *planned) table() string {
	var b strings.Builder
	source := v.source
	if utf8.RuneCountInString(source) > planColumns/2 {
		source = short(filepath.Base(source), planColumns/2)
	}
	fmt.Fprintf(&b, "%s: %s, %s", source, plural(v.Total.Requests, "request"), size(v.Bytes))
	if v.Bad > 0 {
		fmt.Fprintf(&b, ", %s left out", plural(v.Bad, "bad line"))
	}
	b.WriteString("\n\n")
	v.grids(&b)
	v.time(&b)
	v.unknowns(&b)
	b.WriteByte('\n')
	for _, a := range v.assumptions() {
		wrap(&b, a.Figure+": ", a.Text)
	}
	return b.String()
}

// grids writes what the models cost, and what that is made of.
func (v *planned) grids(b *strings.Builder) {
	cost := [][]string{{"USD", "requests", "minimum", "expected", "maximum"}}
	tokens := [][]string{{"tokens", "in, expected", "in, at most", "out, expected", "out, at most"}}
	batch, flex := v.Total.Expected.Cmp(v.Total.Batch) > 0, v.Total.Expected.Cmp(v.Total.Flex) > 0
	if batch {
		cost[0] = append(cost[0], "batch saves")
	}
	if flex {
		cost[0] = append(cost[0], "flex saves")
	}
	row := func(name string, s *aurea.PlanSum) {
		cells := []string{name, fmt.Sprint(s.Requests), down(s.Least), up(s.Expected), up(s.Most)}
		if batch {
			cells = append(cells, saved(s.Expected, s.Batch))
		}
		if flex {
			cells = append(cells, saved(s.Expected, s.Flex))
		}
		cost = append(cost, cells)
		count := func(n int64) string { return progress.Count(float64(n)) }
		tokens = append(tokens, []string{name, count(s.ExpectedIn), count(s.MostIn), count(s.ExpectedOut), count(s.MostOut)})
	}
	for i := range v.Models[:min(len(v.Models), planRows)] {
		row(v.Models[i].Model, &v.Models[i].PlanSum)
	}
	if len(v.Models) != 1 {
		row("total", &v.Total)
	}
	grid(b, cost)
	b.WriteByte('\n')
	grid(b, tokens)
	if more := len(v.Models) - planRows; more > 0 {
		fmt.Fprintf(b, "%d more models are in the total; --json lists all.\n", more)
	}
}

func (v *planned) time(b *strings.Builder) {
	if v.Total.Requests == 0 {
		return
	}
	b.WriteByte('\n')
	text := "about " + progress.Duration(v.Wall)
	if l := v.Binding; l == nil {
		text += ", which the answers take; no limit makes it longer"
	} else {
		text += ", bound by " + limitText(*l)
		if key := raiseKey(*l); key != "" {
			text += "; raise " + short(key, 70) + " if the provider allows more"
		}
		if l.Guess {
			text += " (a default, which limits in the provider's answers replace)"
		}
	}
	wrap(b, "time: ", text)
	if v.Total.OverLimit > 0 {
		wrap(b, "note: ", plural(v.Total.OverLimit, "request")+" larger than a configured limit, which a run refuses")
	}
	if v.Unchecked > 0 {
		wrap(b, "note: ", fmt.Sprintf("the ids of the last %d requests were not compared with each other", v.Unchecked))
	}
	if v.partial {
		wrap(b, "note: ", "interrupted; only what was read until then is counted")
	}
}

func limitText(l aurea.PlanLimit) string {
	if l.Place == "" {
		return fmt.Sprintf("--concurrency %d", l.Value)
	}
	what := map[string]string{
		"rpm": "requests per minute", "tpm": "tokens per minute", "input_tpm": "input tokens per minute", "output_tpm": "output tokens per minute",
		"rpd": "requests per day", "tpd": "tokens per day", "concurrency": "calls at once",
	}[l.Name]
	text := fmt.Sprintf("%d %s of %s", l.Value, what, short(l.Place, 60))
	if l.Keys > 1 {
		text += fmt.Sprintf(" for each of %d keys", l.Keys)
	}
	return text
}

// raiseKey names the configuration key of a limit.
func raiseKey(l aurea.PlanLimit) string {
	if l.Place == "" {
		return ""
	}
	name := l.Settings
	if name == "" {
		_, name, _ = strings.Cut(l.Place, "/")
	}
	return "models." + name + "." + l.Name
}

func (v *planned) unknowns(b *strings.Builder) {
	for i, u := range v.Unknown {
		if i == planRows {
			fmt.Fprintf(b, "\n%d more models without a price; --json lists all.\n", len(v.Unknown)-i)
			return
		}
		b.WriteByte('\n')
		wrap(b, "not priced: ", fmt.Sprintf("%s for %s, which no figure here counts", plural(u.Requests, "request"), short(u.Model, 60)))
		for line := range strings.SplitSeq(u.Hint, "\n") {
			if code, comment, long := strings.Cut(line, "   # "); long && len(line) > planColumns-2 {
				fmt.Fprintf(b, "  %s# %s\n", code[:len(code)-len(strings.TrimLeft(code, " "))], comment)
				line = code
			}
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
}

// grid writes rows in columns, the first to the left and cut where it does not fit, the others to the right.
func grid(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	room := planColumns
	for _, w := range widths[1:] {
		room -= w + 2
	}
	widths[0] = max(min(widths[0], room), 6)
	for _, row := range rows {
		fmt.Fprintf(b, "%-*s", widths[0], short(row[0], widths[0]))
		for i, cell := range row[1:] {
			fmt.Fprintf(b, "  %*s", widths[i+1], cell)
		}
		b.WriteByte('\n')
	}
}

// short cuts a text in its middle, where names differ least.
func short(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	tail := (width - 1) / 2
	return string(r[:width-1-tail]) + "…" + string(r[len(r)-tail:])
}

// wrap writes words in lines of planColumns, the first after a label and the others below it.
func wrap(b *strings.Builder, label, text string) {
	line, empty := label, true
	for word := range strings.FieldsSeq(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > planColumns {
			b.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", len(label)), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(line + "\n")
}

// up and down write an amount to a hundredth of a cent, rounded so that what it bounds is not beyond it.
func up(s money.Sum) string {
	rounded := s.Add(hundredthOfCent - 1)
	return fmt.Sprintf("%d.%04d", rounded.Dollars, rounded.Pico/int64(hundredthOfCent))
}

func down(s money.Sum) string {
	if s.Dollars == 0 && s.Pico > 0 && s.Pico < int64(hundredthOfCent) {
		return "<0.0001"
	}
	return fmt.Sprintf("%d.%04d", s.Dollars, s.Pico/int64(hundredthOfCent))
}

const hundredthOfCent = money.Dollar / 10_000

func saved(now, then money.Sum) string {
	if now.Cmp(then) <= 0 {
		return "-"
	}
	return down(now.Minus(then))
}

func plural(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func size(bytes int64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 10_000_000:
		return fmt.Sprintf("%.0f kB", float64(bytes)/1e3)
	default:
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
}
