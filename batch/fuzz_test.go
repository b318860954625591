package batch_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/batch"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// A file is taken whole, each id once, or refused with its lines and nothing of it taken; and the same file again adds nothing.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "\n", lines(1, 3), "\xef\xbb\xbf" + lines(1, 1), lines(1, 1) + lines(1, 1), lines(1, 2) + "{", "[]\n" + lines(1, 1),
		`{"prompt":"x","model":"m"}` + "\r\n" + `{"id":"2","model":"m","prompt":"x"}`, `{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, file []byte, skip bool) {
		ctx, st := t.Context(), memory.New(memory.Options{})
		job, _, err := st.CreateJob(ctx, store.Job{ID: "local/j", State: store.JobLoading, Batch: true, Created: time.Now()}, money.Unlimited)
		if err != nil {
			t.Fatal(err)
		}
		o := batch.LoadOptions{MaxLine: 1 << 16, SkipBad: skip}
		got, err := batch.Load(ctx, st, job, bytes.NewReader(file), o)
		counts, countErr := st.CountItems(ctx, job.ID)
		if countErr != nil {
			t.Fatal(countErr)
		}
		if err != nil {
			var bad *batch.InputError
			if !errors.As(err, &bad) && !skip {
				t.Fatalf("%q is refused with %v", file, err)
			}
			if counts.Total() != 0 {
				t.Fatalf("%q is refused (%v) and leaves %d items", file, err, counts.Total())
			}
			return
		}
		if got.Items != counts.Total() || got.Added != got.Items || got.Items > int64(bytes.Count(file, []byte("\n")))+1 {
			t.Fatalf("%q: %+v, and %d are there", file, got, counts.Total())
		}
		if job, err = st.Job(ctx, job.ID); err != nil {
			t.Fatal(err)
		}
		again, err := batch.Load(ctx, st, job, bytes.NewReader(file), o)
		if err != nil || again.Added != 0 || again.Items != got.Items {
			t.Fatalf("%q again: %+v, %v", file, again, err)
		}
	})
}
