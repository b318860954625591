package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

var (
	titleStyle = lipgloss.NewStyle().Bold(true)
	doneStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	failStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	warnStyle  = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	faintStyle = lipgloss.NewStyle().Faint(true)
)

// startTerminal draws the live view. It reads no keys and handles no signals: Ctrl-C belongs to the run.
func startTerminal(out io.Writer, view func() View) (stop func()) {
	prog := tea.NewProgram(model{view: view, now: view(), width: 80},
		tea.WithInput(nil), tea.WithOutput(out), tea.WithoutSignalHandler())
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		_, _ = prog.Run() // a view that cannot be drawn is no reason to end a run
	}()
	return sync.OnceFunc(func() {
		prog.Send(lastMsg{})
		<-finished
	})
}

type (
	tickMsg time.Time
	lastMsg struct{}
)

type model struct {
	view  func() View
	now   View
	width int
}

func tick() tea.Cmd { return tea.Tick(terminalEvery, func(t time.Time) tea.Msg { return tickMsg(t) }) }

func (m model) Init() tea.Cmd { return tick() }

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width = msg.Width
	case tickMsg:
		m.now = m.view()
		return m, tick()
	case lastMsg:
		m.now = m.view()
		return m, tea.Quit
	}
	return m, nil
}

func (m model) View() tea.View { return tea.NewView(Draw(m.now, m.width)) }

// Draw is the live view at a width.
func Draw(v View, width int) string {
	lines := []string{
		titleStyle.Render(v.Job) + "  " + bar(v, max(min(width-len(v.Job)-10, 50), 10)) + fmt.Sprintf(" %3d%%", percent(v)),
		counts(v),
		"spent   " + spent(v),
		"pace    " + pace(v) + waiting(v),
	}
	if v.Retries > 0 || len(v.Breakers) > 0 {
		lines = append(lines, "trouble "+trouble(v))
	}
	lines = append(lines, faintStyle.Render(timing(v)))
	for i, line := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(width).Render(line)
	}
	return strings.Join(lines, "\n") + "\n"
}

func percent(v View) int64 {
	if v.Total == 0 {
		return 0
	}
	return (v.Done + v.Failed) * 100 / v.Total
}

func bar(v View, width int) string {
	if v.Total == 0 {
		return faintStyle.Render(strings.Repeat("░", width))
	}
	done := int(v.Done * int64(width) / v.Total)
	failed := int((v.Done+v.Failed)*int64(width)/v.Total) - done
	return doneStyle.Render(strings.Repeat("█", done)) + failStyle.Render(strings.Repeat("█", failed)) +
		faintStyle.Render(strings.Repeat("░", width-done-failed))
}

func counts(v View) string {
	s := fmt.Sprintf("items   %d of %d done", v.Done, v.Total)
	if v.Failed > 0 {
		s += ", " + failStyle.Render(fmt.Sprintf("%d failed", v.Failed))
	}
	return s
}

func waiting(v View) string {
	if v.Waiting == 0 {
		return ""
	}
	return faintStyle.Render(fmt.Sprintf(" (%d waiting)", v.Waiting))
}

func trouble(v View) string {
	s := fmt.Sprintf("%d retries", v.Retries)
	if len(v.Breakers) > 0 {
		s += ", " + warnStyle.Render("circuit open: "+strings.Join(v.Breakers, ", "))
	}
	return s
}

func timing(v View) string {
	s := Duration(v.Elapsed) + " so far"
	switch {
	case v.Stopping:
		s += ", stopping: calls on the wire are waited for, Ctrl-C again cuts them off"
	case v.ETA > 0:
		s += ", about " + Duration(v.ETA) + " left"
	}
	return s
}
