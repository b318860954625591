package batch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

const (
	// chunk is how many items one transaction adds.
	chunk = 1000
	// maxChunkBytes bounds a chunk of large bodies.
	maxChunkBytes = 8 << 20
	// maxBadLines is how many bad lines are listed before reading stops.
	maxBadLines = 20
)

// LineError is what is wrong with one line.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d %v", e.Line, e.Err) }

// Unwrap returns the reason without the line number.
func (e *LineError) Unwrap() error { return e.Err }

// InputError says that a file cannot be accepted; nothing of it was.
type InputError struct {
	Bad  []*LineError // the first ones
	More bool         // reading stopped before the end
}

func (e *InputError) Error() string {
	var b bytes.Buffer
	for i, bad := range e.Bad {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(bad.Error())
	}
	if e.More {
		b.WriteString("; and perhaps more")
	}
	return b.String()
}

// LoadOptions say how a file is read.
type LoadOptions struct {
	Defaults Defaults
	// MaxLine is the longest line in bytes. Default: 50 MB.
	MaxLine int
	// Check is asked for each item whether it may run; its error is a bad line. Default: every item may.
	Check func(store.Item) error
	// SkipBad leaves bad lines out, telling OnBad of each, instead of refusing the file.
	SkipBad bool
	OnBad   func(*LineError)
	// OnProgress is told now and then how many items were read.
	OnProgress func(items int64)
}

// Loaded says what a file brought.
type Loaded struct {
	Items  int64 // items of the job now
	Added  int64
	Bad    int64 // lines skipped
	Before bool  // the job was accepted before this load
}

// Load reads src into the job and accepts it. A job that was accepted before gets the items it does not know; an item it knows with another request is a
// *[store.ConflictError]. A file with a bad line is an *[InputError], and nothing of it is accepted. When Load returns without error every item is durable.
func Load(ctx context.Context, st store.Queue, job store.Job, src io.Reader, o LoadOptions) (Loaded, error) {
	if o.MaxLine == 0 {
		o.MaxLine = 50_000_000
	}
	l := &loader{st: st, job: job, o: o, hash: sha256.New(), parser: parser{d: o.Defaults}}
	l.before = job.State != store.JobLoading
	fmt.Fprintf(l.hash, "%q %q %d\n", o.Defaults.Model, o.Defaults.System, o.Defaults.MaxTokens)
	if known, err := l.unchanged(src); known || err != nil {
		return l.loaded(ctx, err)
	}
	if err := l.prepare(ctx, src); err != nil {
		return Loaded{}, err
	}
	if err := l.read(ctx, src, l.add); err != nil {
		return Loaded{}, l.undo(ctx, err)
	}
	if err := st.Accept(ctx, job.ID, hex.EncodeToString(l.hash.Sum(nil)), time.Now()); err != nil {
		return Loaded{}, err
	}
	return l.loaded(ctx, nil)
}

type loader struct {
	st   store.Queue
	job  store.Job
	o    LoadOptions
	hash interface {
		io.Writer
		Sum([]byte) []byte
		Reset()
	}
	parser parser
	before bool // the job was accepted before

	seq   int64 // of the last item
	start int64 // seq before this load
	added int64
	bad   int64

	pending []store.Item
	lines   []int // line numbers of pending
	bytes   int
}

func (l *loader) loaded(ctx context.Context, err error) (Loaded, error) {
	if err != nil {
		return Loaded{}, err
	}
	counts, err := l.st.CountItems(ctx, l.job.ID)
	return Loaded{Items: counts.Total(), Added: l.added, Bad: l.bad, Before: l.before}, err
}

// unchanged reports whether src is byte for byte what the job was accepted with. Only a file can be read twice.
func (l *loader) unchanged(src io.Reader) (bool, error) {
	file, start, ok := rereadable(src)
	if !ok || !l.before {
		return false, nil
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %d\n", l.o.Defaults.Model, l.o.Defaults.System, l.o.Defaults.MaxTokens)
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	_, err := file.Seek(start, io.SeekStart)
	return hex.EncodeToString(sum.Sum(nil)) == l.job.Fingerprint, err
}

// rereadable returns src as something that can be read again from where it stands. A pipe has the method for it but cannot.
func rereadable(src io.Reader) (file io.ReadSeeker, start int64, ok bool) {
	file, ok = src.(io.ReadSeeker)
	if !ok {
		return nil, 0, false
	}
	start, err := file.Seek(0, io.SeekCurrent)
	return file, start, err == nil
}

// prepare clears what an earlier load left that never came to its end, and looks through a file that is to be added to an accepted job before anything
// of it is added.
func (l *loader) prepare(ctx context.Context, src io.Reader) error {
	if !l.before {
		return l.st.DropItems(ctx, l.job.ID)
	}
	last, err := l.st.LastItem(ctx, l.job.ID)
	if err != nil {
		return err
	}
	l.seq, l.start = last, last
	file, start, ok := rereadable(src)
	if !ok {
		return nil
	}
	dry := *l
	dry.hash = sha256.New()
	dry.o.OnBad, dry.o.OnProgress = nil, nil
	if err := dry.read(ctx, src, func(context.Context) error { return nil }); err != nil {
		return err
	}
	_, err = file.Seek(start, io.SeekStart)
	return err
}

// undo takes back a load that failed, so that nothing of it is ever run.
func (l *loader) undo(ctx context.Context, err error) error {
	if l.before {
		return err
	}
	return errors.Join(err, l.st.DropItems(context.WithoutCancel(ctx), l.job.ID))
}

// read goes through the lines and hands full chunks to add.
func (l *loader) read(ctx context.Context, src io.Reader, add func(context.Context) error) error {
	lines := bufio.NewReaderSize(io.TeeReader(src, l.hash), 1<<20)
	problem := &InputError{}
	for n := 1; ; n++ {
		line, err := readLine(lines, l.o.MaxLine+2)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLineTooLong) {
			return fmt.Errorf("reading the input: %w", err)
		}
		end := errors.Is(err, io.EOF)
		if n == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(bytes.TrimSpace(line)) > 0 || errors.Is(err, errLineTooLong) {
			if bad := l.line(line, n, err); bad != nil {
				problem.Bad = append(problem.Bad, bad)
				if l.o.SkipBad {
					problem.Bad = nil
					l.bad++
					if l.o.OnBad != nil {
						l.o.OnBad(bad)
					}
				}
			}
		}
		if len(problem.Bad) >= maxBadLines {
			problem.More = !end
			return problem
		}
		if end || len(l.pending) >= chunk || l.bytes >= maxChunkBytes {
			if err := l.flush(ctx, add, problem); err != nil {
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
	if l.seq == 0 {
		return &InputError{Bad: []*LineError{{Line: 1, Err: errEmpty}}}
	}
	return nil
}

func (l *loader) flush(ctx context.Context, add func(context.Context) error, problem *InputError) error {
	if len(problem.Bad) == 0 && len(l.pending) > 0 {
		if err := add(ctx); err != nil {
			return err
		}
	}
	l.pending, l.lines, l.bytes = l.pending[:0], l.lines[:0], 0
	if l.o.OnProgress != nil {
		l.o.OnProgress(l.seq - l.start)
	}
	return ctx.Err()
}

var (
	errLineTooLong = errors.New("is longer than limits.max_body")
	errEmpty       = errors.New("holds no request: the input is empty")
	byteOrderMark  = []byte("\xef\xbb\xbf")
)

func repeats(id string) error { return fmt.Errorf("repeats the id %q of an earlier line", id) }

func (l *loader) line(line []byte, n int, err error) *LineError {
	if errors.Is(err, errLineTooLong) {
		return &LineError{Line: n, Err: err}
	}
	item, err := l.item(line)
	if err == nil && l.o.Check != nil {
		err = l.o.Check(item)
	}
	if err != nil {
		return &LineError{Line: n, Err: err}
	}
	l.seq++
	item.Seq = l.seq
	l.pending = append(l.pending, item)
	l.lines = append(l.lines, n)
	l.bytes += len(item.Body)
	return nil
}

func (l *loader) item(line []byte) (store.Item, error) {
	if err := l.parser.parse(line); err != nil {
		return store.Item{}, err
	}
	return l.parser.item()
}

// add writes the pending items. One that this load has added before is a line that repeats an id.
func (l *loader) add(ctx context.Context) error { return l.addRange(ctx, 0, len(l.pending)) }

// addRange adds a part of the pending items. The store says which id is in conflict but not on which line; halving the part finds it.
func (l *loader) addRange(ctx context.Context, from, to int) error {
	known, err := l.st.AddItems(ctx, l.job.ID, l.pending[from:to])
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict) && !l.before && to-from == 1:
		return l.repeated(from)
	case errors.As(err, &conflict) && !l.before:
		half := (from + to) / 2
		if err := l.addRange(ctx, from, half); err != nil {
			return err
		}
		return l.addRange(ctx, half, to)
	case err != nil:
		return err
	}
	l.added += int64(to - from - len(known))
	for _, k := range known {
		if k.Seq > l.start {
			if err := l.repeated(from + k.Index); err != nil {
				return err
			}
		}
	}
	return nil
}

// repeated refuses or skips the line of a pending item whose id an earlier line has.
func (l *loader) repeated(index int) error {
	bad := &LineError{Line: l.lines[index], Err: repeats(l.pending[index].CustomID)}
	if !l.o.SkipBad {
		return &InputError{Bad: []*LineError{bad}}
	}
	l.bad++
	if l.o.OnBad != nil {
		l.o.OnBad(bad)
	}
	return nil
}

// readLine returns the next line without its end; io.EOF comes with the last one. A line that is longer than limit, its end included, is read over.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var long []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && long == nil && !tooLong && len(part) <= limit {
			return bytes.TrimRight(part, "\r\n"), nil
		}
		if !tooLong {
			long = append(long, part...)
			tooLong = len(long) > limit
		}
		if tooLong {
			long = nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case tooLong && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLineTooLong
		case err != nil:
			return long, err
		default:
			return bytes.TrimRight(long, "\r\n"), nil
		}
	}
}
