package batch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// ReadOptions say how [Read] reads a file.
type ReadOptions struct {
	Defaults Defaults
	// MaxLine is the longest line in bytes. Default: 50 MB.
	MaxLine int
	// SkipBad leaves bad lines out, telling OnBad of each, instead of refusing the file.
	SkipBad bool
	OnBad   func(*LineError)
	// OnProgress is told now and then how many requests and bytes were read.
	OnProgress func(requests, bytes int64)
}

// Scanned says what was read.
type Scanned struct {
	Requests, Bad, Bytes int64
	// Unchecked is how many ids at the end were not compared with each other: memory for all of them would grow with the file.
	Unchecked int64
}

// Read goes through a file as [Load] does, and keeps nothing: each is told of every request that the file would be accepted with, with the length that its body has
// with the defaults in it. An error of each is a bad line. The request is good until each returns. The errors are those of Load; what was read until then is returned with them, and
// with that of a ctx that ended.
//
// Its memory does not grow with the number of lines: at most some megabytes, for ids, and the longest line.
func Read(ctx context.Context, src io.Reader, o ReadOptions, each func(*usage.Request) error) (Scanned, error) {
	if o.MaxLine == 0 {
		o.MaxLine = 50_000_000
	}
	s := &scanner{o: o, parser: parser{d: o.Defaults}, each: each, ids: newIDs()}
	err := s.read(ctx, bufio.NewReaderSize(src, 1<<20))
	s.done.Unchecked = s.ids.missed
	return s.done, err
}

type scanner struct {
	o      ReadOptions
	parser parser
	each   func(*usage.Request) error
	ids    *ids
	done   Scanned
}

// glances is how many lines are read between two looks at the context.
const glances = 1000

func (s *scanner) read(ctx context.Context, lines *bufio.Reader) error {
	problem := &InputError{}
	for n := 1; ; n++ {
		line, err := readLine(lines, s.o.MaxLine+2)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLineTooLong) {
			return fmt.Errorf("reading the input: %w", err)
		}
		end := errors.Is(err, io.EOF)
		s.done.Bytes += int64(len(line)) + 1
		if bad := s.line(line, n, err); bad != nil {
			s.done.Bad++
			if !s.o.SkipBad {
				problem.Bad = append(problem.Bad, bad)
			} else if s.o.OnBad != nil {
				s.o.OnBad(bad)
			}
		}
		if end || s.ids.full() {
			problem.Bad = append(problem.Bad, s.ids.look()...)
			slices.SortStableFunc(problem.Bad, func(a, b *LineError) int { return a.Line - b.Line })
		}
		if len(problem.Bad) >= maxBadLines {
			problem.More = !end
			return problem
		}
		if end || n%glances == 0 {
			if s.o.OnProgress != nil {
				s.o.OnProgress(s.done.Requests, s.done.Bytes)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if end {
			break
		}
	}
	if len(problem.Bad) > 0 {
		return problem
	}
	if s.done.Requests == 0 {
		return &InputError{Bad: []*LineError{{Line: 1, Err: errEmpty}}}
	}
	return nil
}

// line takes one line in, and returns what is wrong with it.
func (s *scanner) line(line []byte, n int, err error) *LineError {
	if errors.Is(err, errLineTooLong) {
		return &LineError{Line: n, Err: err}
	}
	if n == 1 {
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	p := &s.parser
	if err := p.parse(line); err != nil {
		return &LineError{Line: n, Err: err}
	}
	if s.o.SkipBad && !s.ids.add(p.id) { // else it is looked at with others: then the file is refused, and what was counted is of no use
		return &LineError{Line: n, Err: repeats(p.id)}
	}
	req := &p.req
	if p.model {
		req.BodyBytes += int64(len(`,"model":`) + len(quote(p.d.Model)))
	}
	if p.capField != "" {
		req.BodyBytes += usage.CapBytes(req.API, p.capField, p.d.MaxTokens)
		req.HasCap, req.OutputCap = true, p.d.MaxTokens
	}
	if err := s.each(req); err != nil {
		return &LineError{Line: n, Err: err}
	}
	if !s.o.SkipBad {
		s.ids.later(p.id, n)
	}
	s.done.Requests++
	return nil
}
