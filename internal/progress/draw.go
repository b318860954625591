package progress

import (
	"fmt"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/andres20980/aurea-orchestrator/money"
)

// Screen is what a view is drawn on.
type Screen struct {
	Width, Height int  // in cells; 0 is not known: 80 wide, and as high as it takes
	Color         bool // whether escape sequences for colour and weight may be used
	ASCII         bool // whether only ASCII can be shown
}

// Widths of the live view.
const (
	unknownWidth = 80
	widest       = 100 // wider bars say nothing more
	labelWidth   = 9
	percentWidth = 5
	shortestBar  = 8
	narrow       = 32 // below this there is no room for labels
)

// Draw is the live view: lines that are no wider than the screen, and one less of them than the screen is high, for the cursor stays below them.
func Draw(v View, s Screen) []string {
	if s.Width <= 0 {
		s.Width = unknownWidth
	}
	p := newPainter(s)
	lines := append([]string{p.title(v)}, p.bars(v)...)
	add := func(label string, style lipgloss.Style, texts ...string) {
		if texts[0] != "" {
			lines = append(lines, p.label(label)+p.paint(style, p.fit(texts...)))
		}
	}
	add("pace", plain, pace(v), Count(v.CallsPerMinute)+" calls/min")
	if v.Waiting > 0 {
		add("waiting", plain, waiting(v), fmt.Sprintf("%d calls wait", v.Waiting))
	}
	add("circuit", warn, open(v))
	add("trouble", warn, strings.Join(trouble(v), ", "))
	add("time", plain, timing(v), Duration(v.Elapsed)+" so far")
	if s.Height > 1 && len(lines) >= s.Height {
		lines = lines[:s.Height-1]
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(ansi.Truncate(line, p.width, p.glyphs.more), " ")
	}
	return lines
}

// bars are the items and the money, each as a bar with words beside it, or below it where both do not fit.
func (p painter) bars(v View) []string {
	failed := ""
	if v.Failed > 0 {
		failed = fmt.Sprintf(", %d failed", v.Failed)
	}
	items, budget := fmt.Sprintf("%d of %d done%s", v.Done, v.Total, failed), spent(v)
	beside := p.width - p.indent - percentWidth - 2 - max(len(items), len(budget))
	if beside >= shortestBar {
		rows := []string{p.label("items") + p.items(v, beside) + "  " + p.failures(items)}
		if v.Limit.IsUnlimited() {
			return append(rows, p.label("spent")+budget)
		}
		return append(rows, p.label("budget")+p.budget(v, beside)+"  "+budget)
	}
	bar, indent := max(p.width-p.indent-percentWidth, 1), strings.Repeat(" ", p.indent)
	rows := []string{p.label("items") + p.items(v, bar), indent + p.failures(p.fit(items, fmt.Sprintf("%d/%d%s", v.Done, v.Total, failed)))}
	if !v.Limit.IsUnlimited() {
		rows = append(rows, p.label("budget")+p.budget(v, bar))
	}
	sure := v
	sure.Unconfirmed = money.Sum{}
	return append(rows, indent+p.fit(budget, spent(sure), "$"+Money(v.Spent)+" spent"))
}

// fit returns the first text that fits beside the labels, else the last.
func (p painter) fit(texts ...string) string {
	for _, text := range texts {
		if ansi.StringWidth(text) <= p.width-p.indent {
			return text
		}
	}
	return texts[len(texts)-1]
}

// Colours: of what is done, what failed, what needs attention, and what matters less.
var (
	bold  = lipgloss.NewStyle().Bold(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	fail  = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	warn  = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	faint = lipgloss.NewStyle().Faint(true)
	plain = lipgloss.NewStyle()
)

// glyphs are what bars are made of.
type glyphs struct{ full, failed, partly, empty, more string }

var (
	unicodeGlyphs = glyphs{"█", "▓", "▒", "░", "…"}
	asciiGlyphs   = glyphs{"#", "x", "+", ".", "~"}
)

// painter draws on one screen.
type painter struct {
	width  int
	indent int // of what stands beside labels
	color  bool
	glyphs glyphs
}

func newPainter(s Screen) painter {
	p := painter{width: min(s.Width, widest), color: s.Color, glyphs: unicodeGlyphs}
	if p.width >= narrow {
		p.indent = labelWidth
	}
	if s.ASCII {
		p.glyphs = asciiGlyphs
	}
	return p
}

func (p painter) paint(style lipgloss.Style, text string) string {
	if !p.color || text == "" {
		return text
	}
	return style.Render(text)
}

func (p painter) label(name string) string {
	if p.indent == 0 {
		return ""
	}
	return p.paint(faint, name) + strings.Repeat(" ", p.indent-len(name))
}

// title is the job's name at the left and its state at the right; where both do not fit, the name is cut, but never to nothing.
func (p painter) title(v View) string {
	says, style := state(v), faint
	switch v.State {
	case Stopping, Stopped, CircuitOpen:
		style = warn
	case OnBudget:
		style = fail
	case Done:
		style = good
	}
	short, _, _ := strings.Cut(says, ",")
	if ansi.StringWidth(clean(v.Job))+2+ansi.StringWidth(says) > p.width {
		says = short
	}
	name := ansi.Truncate(clean(v.Job), max(p.width-2-ansi.StringWidth(says), p.width/2), p.glyphs.more)
	gap := max(p.width-ansi.StringWidth(name)-ansi.StringWidth(says), 1)
	return p.paint(bold, name) + strings.Repeat(" ", gap) + p.paint(style, says)
}

// failures paints what a text says of failed items.
func (p painter) failures(text string) string {
	before, after, ok := strings.Cut(text, ", ")
	if !ok {
		return text
	}
	return before + ", " + p.paint(fail, after)
}

// items is the bar of the items: done, failed, left.
func (p painter) items(v View, width int) string {
	done, failed := share(v.Done, v.Total), share(v.Failed, v.Total)
	return p.bar(width, v.Total > 0 && v.Done+v.Failed == v.Total, part{done, p.glyphs.full, good}, part{failed, p.glyphs.failed, fail})
}

func share(n, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// budget is the bar of the money: spent, held by calls under way or unconfirmed, left.
func (p painter) budget(v View, width int) string {
	limit := dollars(v.Limit)
	spentShare, heldShare := 1.0, 0.0
	if limit > 0 {
		spentShare, heldShare = dollars(v.Spent)/limit, (dollars(v.Held)+dollars(v.Unconfirmed))/limit
	}
	style := good
	if v.State == OnBudget || spentShare+heldShare >= 1 {
		style = fail
	} else if spentShare+heldShare >= 0.8 {
		style = warn
	}
	return p.bar(width, limit <= 0 || v.Spent.Cmp(v.Limit) >= 0, part{spentShare, p.glyphs.full, style}, part{heldShare, p.glyphs.partly, style})
}

// dollars is an amount as a share of a bar needs it, and nothing else does.
func dollars(s money.Sum) float64 {
	f, _ := strconv.ParseFloat(s.String(), 64)
	return f
}

// part is a share of a bar.
type part struct {
	share float64
	glyph string
	style lipgloss.Style
}

// bar draws parts of a whole, and says their sum in percent behind it. Nothing but the whole is 100 %.
func (p painter) bar(width int, whole bool, parts ...part) string {
	var b strings.Builder
	sum, drawn := 0.0, 0
	for _, one := range parts {
		sum = min(sum+one.share, 1)
		cells := min(int(sum*float64(width)), width)
		if !whole {
			cells = min(cells, max(width-1, 0))
		}
		b.WriteString(p.paint(one.style, strings.Repeat(one.glyph, max(cells-drawn, 0))))
		drawn = max(drawn, cells)
	}
	b.WriteString(p.paint(faint, strings.Repeat(p.glyphs.empty, width-drawn)))
	percent := int(sum * 100)
	if !whole {
		percent = min(percent, 99)
	}
	fmt.Fprintf(&b, " %3d%%", percent)
	return b.String()
}
