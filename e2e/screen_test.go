//go:build unix

package e2e_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is a terminal as most are: what is printed stays above, and lines are broken anew when it becomes narrower. It knows the sequences that the program uses, and
// keeps those that it does not know. It is safe for concurrent use.
type screen struct {
	mu            sync.Mutex
	width, height int
	rows          []row // what has scrolled away included
	top           int   // the first row that is seen
	x, y          int   // y counts from the first of rows
	rest          []byte
	hidden        bool // the cursor
	unknown       []string
}

// row is one row; it goes on in the next one where it was broken for want of width.
type row struct {
	cells  []rune
	broken bool
}

func newScreen(width, height int) *screen {
	return &screen{width: width, height: height, rows: make([]row, 1)}
}

var sequence = regexp.MustCompile(`\A\x1b(\[([?>=]?)([0-9;]*)([@-~])|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78DEMc])`)

// Write implements io.Writer.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, b...)
	for len(s.rest) > 0 {
		if s.rest[0] == 0x1b {
			m := sequence.FindSubmatch(s.rest)
			if m == nil {
				if len(s.rest) > 64 {
					s.unknown, s.rest = append(s.unknown, strconv.Quote(string(s.rest[:8]))), s.rest[1:]
					continue
				}
				break // the rest of it is still to come
			}
			s.rest = s.rest[len(m[0]):]
			s.control(string(m[0]), string(m[2]), string(m[3]), string(m[4]))
			continue
		}
		if !utf8.FullRune(s.rest) {
			break
		}
		r, n := utf8.DecodeRune(s.rest)
		s.rest = s.rest[n:]
		s.print(r)
	}
	return len(b), nil
}

func (s *screen) print(r rune) {
	switch r {
	case '\r':
		s.x = 0
	case '\n':
		s.down()
	case '\b':
		s.x = max(s.x-1, 0)
	case '\t':
		s.x = min((s.x/8+1)*8, s.width-1)
	case 0x07:
	default:
		if s.x >= s.width {
			s.rows[s.y].broken = true
			s.down()
			s.x = 0
		}
		s.put(s.x, r)
		s.x++
	}
}

func (s *screen) put(x int, r rune) {
	line := &s.rows[s.y]
	for len(line.cells) <= x {
		line.cells = append(line.cells, ' ')
	}
	line.cells[x] = r
}

func (s *screen) down() {
	s.y++
	for len(s.rows) <= s.y {
		s.rows = append(s.rows, row{})
	}
	s.top = max(s.top, s.y-s.height+1)
}

func (s *screen) control(whole, private, numbers, final string) {
	n, err := strconv.Atoi(numbers)
	if err != nil || n == 0 {
		n = 1
	}
	bottom := s.top + s.height - 1
	if whole == "\x1bM" { // up a row
		s.y = max(s.y-1, s.top)
		return
	}
	switch private + final {
	case "A":
		s.y = max(s.y-n, s.top)
	case "B":
		for s.y = min(s.y+n, bottom); len(s.rows) <= s.y; {
			s.rows = append(s.rows, row{})
		}
	case "C":
		s.x = min(s.x+n, s.width-1)
	case "D":
		s.x = max(s.x-n, 0)
	case "G":
		s.x = min(n, s.width) - 1
	case "J":
		if numbers != "" && numbers != "0" {
			s.unknown = append(s.unknown, strconv.Quote(whole))
			return
		}
		s.rows = s.rows[:s.y+1]
		s.rows[s.y].cells = s.rows[s.y].cells[:min(s.x, len(s.rows[s.y].cells))]
		s.rows[s.y].broken = false
	case "K":
		if numbers == "" || numbers == "0" {
			s.rows[s.y].cells = s.rows[s.y].cells[:min(s.x, len(s.rows[s.y].cells))]
			s.rows[s.y].broken = false
			return
		}
		s.unknown = append(s.unknown, strconv.Quote(whole))
	case "X":
		for x := s.x; x < min(s.x+n, s.width); x++ {
			s.put(x, ' ')
		}
	case "P":
		line := s.rows[s.y].cells
		from := min(s.x, len(line))
		s.rows[s.y].cells = slices.Delete(line, from, min(from+n, len(line)))
	case "b":
		last := s.rows[s.y].cells[s.x-1]
		for range n {
			s.print(last)
		}
	case "L":
		s.rows = slices.Insert(s.rows, s.y, make([]row, n)...)
	case "m":
	case "?h", "?l":
		if numbers == "25" {
			s.hidden = final == "l"
		} else if numbers != "2026" {
			s.unknown = append(s.unknown, strconv.Quote(whole))
		}
	default:
		s.unknown = append(s.unknown, strconv.Quote(whole))
	}
}

// resize breaks all lines anew; the cursor stays where it was in its line.
func (s *screen) resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []row
	x, y := s.x, 0
	for i := 0; i < len(s.rows); i++ {
		var line []rune
		at := -1 // of the cursor, if it is in this line
		for ; ; i++ {
			if i == s.y {
				at = len(line) + s.x
			}
			line = append(line, s.rows[i].cells...)
			if !s.rows[i].broken || i+1 == len(s.rows) {
				break
			}
		}
		line = []rune(strings.TrimRight(string(line), " "))
		if at >= 0 {
			x, y = at%width, len(rows)+at/width
		}
		for len(line) > width {
			rows = append(rows, row{line[:width:width], true})
			line = line[width:]
		}
		rows = append(rows, row{line, false})
	}
	for len(rows) <= y {
		rows = append(rows, row{})
	}
	s.rows, s.x, s.y, s.width, s.height = rows, x, y, width, height
	s.top = max(0, y-height+1)
}

// lines is all that was ever on the screen and was not erased.
func (s *screen) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, len(s.rows))
	for i, row := range s.rows {
		out[i] = strings.TrimRight(string(row.cells), " ")
	}
	return out
}
