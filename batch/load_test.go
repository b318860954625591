package batch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

func newJob(t *testing.T, st store.Store) store.Job {
	t.Helper()
	j, _, err := st.CreateJob(t.Context(), store.Job{ID: "local/j", State: store.JobLoading, Batch: true, Created: time.Now()}, money.Unlimited)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, `{"id":"%d","model":"m","prompt":"p"}`+"\n", i)
	}
	return b.String()
}

func TestLoadOddFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		items int64
	}{
		"no end of line":   {strings.TrimSuffix(lines(1, 3), "\n"), 3},
		"carriage returns": {strings.ReplaceAll(lines(1, 3), "\n", "\r\n"), 3},
		"blank lines":      {"\n\n" + lines(1, 2) + "  \n\t\n" + lines(3, 3), 3},
		"byte order mark":  {"\xef\xbb\xbf" + lines(1, 1), 1},
		"several chunks":   {lines(1, 2500), 2500},
		"a long line":      {lines(1, 1) + `{"id":"long","model":"m","prompt":"` + strings.Repeat("x", 3<<20) + `"}`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := memory.New(memory.Options{})
			got, err := batch.Load(t.Context(), st, newJob(t, st), strings.NewReader(c.file), batch.LoadOptions{})
			if err != nil || got.Items != c.items {
				t.Errorf("loaded %+v, %v; want %d items", got, err, c.items)
			}
		})
	}
}

func TestLoadRefusesWithTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		o    batch.LoadOptions
		want string
	}{
		"a bad line":      {lines(1, 1200) + "nonsense\n" + lines(1201, 1300), batch.LoadOptions{}, "line 1201 "},
		"an id repeated":  {lines(1, 1500) + lines(7, 7), batch.LoadOptions{}, `line 1501 repeats the id "7"`},
		"another request": {lines(1, 3) + `{"id":"2","model":"m","prompt":"other"}`, batch.LoadOptions{}, `line 4 repeats the id "2"`},
		"a line too long": {lines(1, 2) + strings.Repeat("x", 200) + "\n" + lines(3, 3), batch.LoadOptions{MaxLine: 100}, "line 3 is longer"},
		"a line checked":  {lines(1, 2), batch.LoadOptions{Check: func(store.Item) error { return errors.New("has no price") }}, "line 1 has no price; line 2 has no price"},
		"nothing":         {"\n", batch.LoadOptions{}, "the input is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := memory.New(memory.Options{})
			job := newJob(t, st)
			_, err := batch.Load(t.Context(), st, job, strings.NewReader(c.file), c.o)
			var bad *batch.InputError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if counts, err := st.CountItems(t.Context(), job.ID); err != nil || counts.Total() != 0 {
				t.Errorf("%+v items are left of a file that was refused, %v", counts, err)
			}
		})
	}
}

func TestLoadAgain(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	load := func(file string) (batch.Loaded, error) {
		job, err := st.Job(context.Background(), newJob(t, st).ID)
		if err != nil {
			t.Fatal(err)
		}
		return batch.Load(t.Context(), st, job, strings.NewReader(file), batch.LoadOptions{})
	}
	if _, err := load(lines(1, 5)); err != nil {
		t.Fatal(err)
	}
	if got, err := load(lines(1, 5)); err != nil || got.Items != 5 || got.Added != 0 || !got.Before {
		t.Errorf("the same file: %+v, %v", got, err)
	}
	if got, err := load(lines(3, 8)); err != nil || got.Items != 8 || got.Added != 3 {
		t.Errorf("a file with more: %+v, %v", got, err)
	}
	var conflict *store.ConflictError
	if _, err := load(`{"id":"2","model":"m","prompt":"other"}`); !errors.As(err, &conflict) || conflict.CustomID != "2" {
		t.Errorf("another request for a known id: %v", err)
	}
	var bad *batch.InputError
	if _, err := load(lines(9, 9) + "nonsense"); !errors.As(err, &bad) {
		t.Errorf("a bad line in a file with more: %v", err)
	}
	if counts, err := st.CountItems(t.Context(), "local/j"); err != nil || counts.Total() != 8 {
		t.Errorf("a refused file added items: %+v, %v", counts, err)
	}
}

func TestSkipBad(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	var skipped []int
	got, err := batch.Load(t.Context(), st, newJob(t, st), strings.NewReader("x\n"+lines(1, 2)+"{}\n"+lines(2, 3)), batch.LoadOptions{
		SkipBad: true, OnBad: func(e *batch.LineError) { skipped = append(skipped, e.Line) },
	})
	if err != nil || got.Items != 3 || got.Bad != 3 || fmt.Sprint(skipped) != "[1 4 5]" {
		t.Errorf("%+v, skipped %v, %v", got, skipped, err)
	}
}
