package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	tablesBegin = "<!-- tables: begin (make compat WRITE=1) -->\n"
	tablesEnd   = "<!-- tables: end -->\n"
)

// tables writes what the clients reported into the page, or says how the page differs.
func (o *options) tables(reports []*report) error {
	page, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(page), tablesBegin)
	was, tail, ok2 := strings.Cut(rest, tablesEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the lines %q and %q are not there", o.doc, tablesBegin, tablesEnd)
	}
	missing := slices.ContainsFunc(reports, func(r *report) bool { return r.Skipped != "" })
	if o.write {
		if missing {
			return errors.New("the tables are not written: some clients were skipped")
		}
		return os.WriteFile(o.doc, []byte(head+tablesBegin+render(reports)+tablesEnd+tail), 0o644) // #nosec G306 G703 -- a page of the documentation
	}
	if missing { // compare only what ran: the columns of the others are taken out on both sides
		skip := map[string]bool{}
		for _, r := range reports {
			skip[r.Client.Name] = r.Skipped != ""
		}
		was = without(was, skip)
	}
	if is := render(slices.DeleteFunc(slices.Clone(reports), func(r *report) bool { return r.Skipped != "" })); is != was {
		return fmt.Errorf("the tables in %s are not what the clients do now; make compat WRITE=1 writes them\n%s", o.doc, differences(was, is))
	}
	return nil
}

// render writes the tables: versions, features, errors.
func render(reports []*report) string {
	var b strings.Builder
	b.WriteString("\n| client | versions |\n|---|---|\n")
	for _, r := range reports {
		fmt.Fprintf(&b, "| %s | %s |\n", r.Client.Name, r.Version)
	}
	for _, format := range []string{"openai", "anthropic"} {
		of := slices.DeleteFunc(slices.Clone(reports), func(r *report) bool { return r.Client.Format != format })
		if len(of) == 0 {
			continue
		}
		title := map[string]string{"openai": "OpenAI's format", "anthropic": "Anthropic's format"}[format]
		fmt.Fprintf(&b, "\n### What works in %s\n\n", title)
		header(&b, "", of)
		for _, f := range features {
			row(&b, f.Says, of, func(r *report) string {
				if res, ok := r.Results[f.Name]; !ok {
					return ""
				} else if !res.OK {
					return "fails"
				}
				return "yes"
			})
		}
		fmt.Fprintf(&b, "\n### What is raised in %s\n\n", title)
		header(&b, "code | status | when", of)
		for i := range troubles {
			t := &troubles[i]
			row(&b, fmt.Sprintf("%s | %s | %s", t.code(), t.status(), t.Says), of, func(r *report) string {
				res, ok := r.Results[t.Name]
				switch {
				case !ok:
					return ""
				case res.OK:
					return fmt.Sprintf("nothing, %s", times(res.Requests))
				}
				return fmt.Sprintf("`%s`, %s", res.Class, times(res.Requests))
			})
		}
	}
	b.WriteString("\n")
	return b.String()
}

func (t *trouble) code() string {
	if t.Code == "" {
		return "the provider's"
	}
	return "[`" + t.Code + "`](troubleshooting.md#" + t.Code + ")"
}

func (t *trouble) status() string {
	switch t.Status {
	case 0:
		return "429"
	case 200:
		return "200, then an event"
	}
	return fmt.Sprint(t.Status)
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d×", n)
}

func header(b *strings.Builder, first string, reports []*report) {
	row(b, first, reports, func(r *report) string { return r.Client.Name })
	b.WriteString(strings.Repeat("|---", strings.Count(first, "|")+1+len(reports)) + "|\n")
}

// row leaves a row out that says nothing.
func row(b *strings.Builder, first string, reports []*report, cell func(*report) string) {
	text, empty := "| "+first+" |", true
	for _, r := range reports {
		c := cell(r)
		empty = empty && c == ""
		text += " " + c + " |"
	}
	if !empty {
		b.WriteString(text + "\n")
	}
}

// without takes columns and rows of clients out of tables.
func without(text string, skip map[string]bool) string {
	var b strings.Builder
	var drop []int
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(cells) < 3 {
			b.WriteString(line)
			drop = nil
			continue
		}
		if skip[strings.TrimSpace(cells[1])] {
			continue
		}
		for i, c := range cells {
			if skip[strings.TrimSpace(c)] {
				drop = append(drop, i)
			}
		}
		kept := cells[:0:0]
		for i, c := range cells {
			if !slices.Contains(drop, i) {
				kept = append(kept, c)
			}
		}
		if strings.Trim(strings.Join(kept[min(2, len(kept)):], ""), " ") == "" && len(drop) > 0 {
			continue
		}
		b.WriteString(strings.Join(kept, "|") + "\n")
	}
	return b.String()
}

// differences lists the lines that only one of two texts has.
func differences(was, is string) string {
	var b strings.Builder
	only := func(mark, one, other string) {
		have := map[string]bool{}
		for line := range strings.Lines(other) {
			have[line] = true
		}
		for line := range strings.Lines(one) {
			if !have[line] {
				b.WriteString(mark + line)
			}
		}
	}
	only("- ", was, is)
	only("+ ", is, was)
	return b.String()
}
