package progress

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// live is the live view. It reads no keys and handles no signals: Ctrl-C belongs to the run.
//
// The cursor stays visible, on the line below the view: a process that is killed leaves the terminal as it should be.
type live struct {
	out      *canvas
	screen   Screen
	prog     *tea.Program
	finished chan struct{}
}

func newLive(out *os.File, environ func(string) (string, bool)) *live {
	return &live{out: &canvas{File: out, reflows: reflows(environ)}, screen: screenOf(environ)}
}

// screenOf says what a terminal may be sent. NO_COLOR is https://no-color.org: any value but an empty one counts.
func screenOf(environ func(string) (string, bool)) Screen {
	noColor, _ := environ("NO_COLOR")
	s := Screen{Color: noColor == ""}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale, _ := environ(name); locale != "" {
			s.ASCII = locale == "C" || locale == "POSIX"
			break
		}
	}
	return s
}

// Every implements [Reporter].
func (l *live) Every() time.Duration { return 200 * time.Millisecond }

// Report implements [Reporter]. The first report starts the view.
func (l *live) Report(v View) {
	if l.prog != nil {
		l.prog.Send(viewMsg(v))
		return
	}
	l.prog = tea.NewProgram(model{view: v, screen: l.screen, out: l.out},
		tea.WithInput(nil), tea.WithOutput(l.out), tea.WithoutSignalHandler(), tea.WithWindowSize(unknownWidth, 24))
	l.finished = make(chan struct{})
	go func() {
		defer close(l.finished)
		_, _ = l.prog.Run() // a view that cannot be drawn is no reason to end a run
	}()
}

// Close implements [Reporter].
func (l *live) Close(v View) {
	l.Report(v)
	l.prog.Send(lastMsg{})
	<-l.finished
}

// Write shows lines of others, such as a log's, above the view. It is safe for concurrent use with the other methods once the first report was made.
func (l *live) Write(b []byte) (int, error) {
	l.prog.Send(tea.Println(strings.TrimSuffix(string(b), "\n"))())
	return len(b), nil
}

type (
	viewMsg View
	lastMsg struct{}
)

type model struct {
	view   View
	screen Screen
	out    *canvas
}

// Init implements [tea.Model].
func (m model) Init() tea.Cmd { return nil }

// Update implements [tea.Model].
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.screen.Width, m.screen.Height = msg.Width, msg.Height
		m.out.resized(msg.Width)
	case viewMsg:
		m.view = View(msg)
	case lastMsg:
		return m, tea.Quit
	}
	return m, nil
}

// View implements [tea.Model].
func (m model) View() tea.View {
	lines := Draw(m.view, m.screen)
	m.out.next(lines)
	v := tea.NewView(strings.Join(lines, "\n") + "\n")
	v.Cursor = tea.NewCursor(0, len(lines))
	v.Cursor.Shape, v.Cursor.Blink = cursorAsItIs, false
	v.DisableBracketedPasteMode = true // nothing is read
	return v
}

// cursorAsItIs encodes, without blinking, to the number 0 of DECSCUSR, with which nothing is sent: the cursor keeps the shape that its owner gave it.
const cursorAsItIs tea.CursorShape = -1

// canvas is the terminal, and knows what was last drawn on it.
//
// Most terminals break lines anew when they become narrower, so that the view takes more rows than the renderer knows of, and it would leave the topmost ones behind.
// canvas moves the cursor up by these before the view is drawn again. Before each write it moves the cursor to the left edge, where the renderer left it: what is typed
// is shown there by the terminal itself, as ^C is.
type canvas struct {
	*os.File
	reflows bool

	mu    sync.Mutex
	drawn []int // widths of the lines on the screen
	ahead []int // of those that the next write brings
	width int   // of the screen if it has changed since the last write, else 0
}

func (c *canvas) resized(width int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.width = width
}

func (c *canvas) next(lines []string) {
	widths := make([]int, len(lines))
	for i, line := range lines {
		widths[i] = ansi.StringWidth(line)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = widths
}

// Write implements [io.Writer].
func (c *canvas) Write(b []byte) (int, error) {
	c.mu.Lock()
	rows := 0
	if c.width > 0 && c.reflows {
		for _, w := range c.drawn {
			rows += max(w-1, 0) / c.width
		}
	}
	c.width, c.drawn = 0, c.ahead
	c.mu.Unlock()
	before := "\r"
	if rows > 0 {
		before += ansi.CursorUp(rows)
	}
	if _, err := io.WriteString(c.File, before); err != nil {
		return 0, err
	}
	return c.File.Write(b)
}

// WriteString implements [io.StringWriter].
func (c *canvas) WriteString(s string) (int, error) { return c.Write([]byte(s)) }

// reflows reports whether a terminal breaks lines anew when its width changes. Those that say who they are and do not: the console of Linux, xterm and GNU screen.
func reflows(environ func(string) (string, bool)) bool {
	name, _ := environ("TERM")
	_, xterm := environ("XTERM_VERSION")
	_, screen := environ("STY")
	return name != "linux" && !xterm && !screen
}
