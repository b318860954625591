package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

const batchID = "local/batch"

// batch makes an accepted batch of n items in lane "m", with an owner "a" that runs it.
func (b *bench) batch(n int) {
	b.Helper()
	b.join("a")
	_, _, err := b.st.CreateJob(b.ctx, store.Job{ID: batchID, State: store.JobLoading, Batch: true, Created: b.now}, money.SumOf(1000))
	b.ok(err)
	_, err = b.st.AddItems(b.ctx, batchID, items(1, n, "m"))
	b.ok(err)
	b.ok(b.st.Accept(b.ctx, batchID, "print", b.now))
	b.ok(b.st.AcquireRunner(b.ctx, batchID, "a", b.now))
}

func items(from, n int, lane string) []store.Item {
	all := make([]store.Item, n)
	for i := range all {
		seq := from + i
		all[i] = store.Item{
			Seq: int64(seq), CustomID: fmt.Sprintf("item-%d", seq), URL: "/v1/chat/completions", Body: fmt.Appendf(nil, `{"n":%d}`, seq), Lane: lane,
		}
	}
	return all
}

func (b *bench) claim(owner store.OwnerID, n int) []store.Item {
	b.Helper()
	got, err := b.st.Claim(b.ctx, batchID, "m", owner, n, b.now)
	b.ok(err)
	return got
}

func seqs(items []store.Item) (all []int64) {
	for _, it := range items {
		all = append(all, it.Seq)
	}
	return all
}

// end completes an item in a round of its own, for free, and reports whether it took effect.
func (b *bench) end(owner store.OwnerID, it store.Item, state store.ItemState) bool {
	b.Helper()
	e := b.call(0, 0)
	e.Completion = &store.Completion{Job: batchID, Seq: it.Seq, Attempt: it.Attempt, State: state}
	if state != store.ItemPending {
		e.Completion.Result = &store.Result{Status: 200, Body: it.Body, CallID: e.Call.ID, FinishedAt: b.now}
	}
	res := b.round(owner, nil, e)
	b.ok(CheckItems(b.ctx, b.st, batchID))
	return len(res.Rejected) == 0
}

func (b *bench) counts(want store.ItemCounts) {
	b.Helper()
	got, err := b.st.CountItems(b.ctx, batchID)
	b.ok(err)
	b.same("counts", want, got)
}

func (b *bench) last(want int64) {
	b.Helper()
	got, err := b.st.LastItem(b.ctx, batchID)
	b.ok(err)
	b.same("last item", want, got)
}

func testJobs(_ *testing.T, b *bench) {
	parent, created, err := b.st.CreateJob(b.ctx, store.Job{ID: "local/p", Created: b.now}, money.SumOf(5))
	b.ok(err)
	b.same("created", true, created)
	b.same("a job starts pending", store.JobPending, parent.State)
	b.now = b.now.Add(time.Second)
	child := store.Job{
		ID: "local/c", Parent: "local/p", State: store.JobRunning, Reason: "because", Batch: true, Simulated: true, Source: "in.jsonl",
		Fingerprint: "f", Created: b.now, PII: "mask", Detached: true,
	}
	got, _, err := b.st.CreateJob(b.ctx, child, money.SumOf(3))
	b.ok(err)
	child.Updated = b.now
	b.same("child", child, got)
	again, created, err := b.st.CreateJob(b.ctx, store.Job{ID: "local/c"}, money.SumOf(99))
	b.ok(err)
	b.same("the one that is there", []any{child, false}, []any{again, created})
	c, err := b.st.FindCounter(b.ctx, "job:local/c", time.Time{})
	b.ok(err)
	b.same("its limit", money.SumOf(3), c.Limit)
	_, _, err = b.st.CreateJob(b.ctx, store.Job{ID: "local/d", Parent: "local/none"}, money.Sum{})
	b.same("without its parent", store.ErrNotFound, err)
	all, err := b.st.Jobs(b.ctx, "")
	b.ok(err)
	b.same("newest first", []store.Job{child, parent}, all)
	b.ok(b.st.SetJobState(b.ctx, "local/p", store.JobPaused, "budget", b.now))
	paused, err := b.st.Jobs(b.ctx, store.JobPaused)
	b.ok(err)
	parent.State, parent.Reason, parent.Updated = store.JobPaused, "budget", b.now
	b.same("paused", []store.Job{parent}, paused)
	one, err := b.st.Job(b.ctx, "local/p")
	b.ok(err)
	b.same("one", parent, one)
	shared, err := b.st.Detached(b.ctx)
	b.ok(err)
	b.same("detached", []store.Job{child}, shared)
	b.ok(b.st.SetJobState(b.ctx, "local/c", store.JobPaused, "budget", b.now))
	shared, err = b.st.Detached(b.ctx)
	b.ok(err)
	b.same("detached and paused", 0, len(shared))
}

// A detached job has no runner; it is not removed while a process that lives has items of it.
func testDetachedRemoval(_ *testing.T, b *bench) {
	b.join("a")
	_, _, err := b.st.CreateJob(b.ctx, store.Job{ID: batchID, State: store.JobLoading, Batch: true, Detached: true, Created: b.now}, money.SumOf(1000))
	b.ok(err)
	_, err = b.st.AddItems(b.ctx, batchID, items(1, 3, "m"))
	b.ok(err)
	b.ok(b.st.Accept(b.ctx, batchID, "print", b.now))
	it := b.claim("a", 1)[0]
	var busy *store.BusyError
	if err := b.st.RemoveJob(b.ctx, batchID); !errors.As(err, &busy) || busy.Runner.ID != "a" || busy.Runner.PID != 7 {
		b.Fatalf("removed while it is worked on: %v", err)
	}
	b.same("its item ends", true, b.end("a", it, store.ItemDone))
	b.claim("a", 1)
	b.ok(b.st.Declare(b.ctx, "a", b.now))
	b.ok(b.st.RemoveJob(b.ctx, batchID))
}

func testJobRemoval(_ *testing.T, b *bench) {
	b.batch(3)
	account := b.account("job:"+batchID, 0)
	b.round("a", ops(store.LeaseOp{Counter: account, Wants: wants(5)}))
	it := b.claim("a", 1)[0]
	e := b.call(5, 0, account)
	e.Call.Job, e.Call.Item = batchID, it.Seq
	b.round("a", ops(store.LeaseOp{Counter: account, Seq: 1, Spent: 5, Close: true}), e)
	var busy *store.BusyError
	if err := b.st.RemoveJob(b.ctx, batchID); !errors.As(err, &busy) || busy.Runner.ID != "a" {
		b.Fatalf("removed while it runs: %v", err)
	}
	_, _, err := b.st.CreateJob(b.ctx, store.Job{ID: "local/child", Parent: batchID}, money.Sum{})
	b.ok(err)
	b.ok(b.st.ReleaseRunner(b.ctx, batchID, "a", b.now))
	if err := b.st.RemoveJob(b.ctx, batchID); err == nil {
		b.Fatal("a parent was removed before its child")
	}
	b.ok(b.st.RemoveJob(b.ctx, "local/child"))
	b.ok(b.st.RemoveJob(b.ctx, batchID))
	_, err = b.st.Job(b.ctx, batchID)
	b.same("removed", store.ErrNotFound, err)
	b.figures(account, figures{Committed: 5, Spent: 5})
	calls, _, err := b.st.Calls(b.ctx, batchID, 0, 10)
	b.ok(err)
	b.same("its call stays, without its item", []any{1, int64(0)}, []any{len(calls), calls[0].Item})
	_, created, err := b.st.CreateJob(b.ctx, store.Job{ID: batchID, State: store.JobLoading, Batch: true, Created: b.now}, money.SumOf(7))
	b.ok(err)
	b.same("made anew", true, created)
	b.counts(store.ItemCounts{})
	b.last(0)
	known, err := b.st.AddItems(b.ctx, batchID, items(1, 3, "m"))
	b.ok(err)
	b.last(3)
	b.same("nothing is known", 0, len(known))
	b.same("the new job's limit", []any{money.SumOf(7), money.SumOf(5)}, []any{b.counter(account).Limit, b.counter(account).Spent})
	b.same("a late completion of the old item", false, b.end("a", it, store.ItemDone))
}

func testRunner(_ *testing.T, b *bench) {
	b.batch(4)
	b.join("b")
	b.ok(b.st.AcquireRunner(b.ctx, batchID, "a", b.now))
	var busy *store.BusyError
	if err := b.st.AcquireRunner(b.ctx, batchID, "b", b.now); !errors.As(err, &busy) || busy.Runner.ID != "a" || busy.Runner.PID != 7 {
		b.Fatalf("a second runner: %v", err)
	}
	b.claim("a", 3)
	b.ok(b.st.ReleaseRunner(b.ctx, batchID, "b", b.now))
	job, err := b.st.Job(b.ctx, batchID)
	b.ok(err)
	b.same("only the runner gives it up", store.OwnerID("a"), job.Runner)
	b.counts(store.ItemCounts{Pending: 1, Running: 3})
	b.ok(b.st.ReleaseRunner(b.ctx, batchID, "a", b.now))
	b.counts(store.ItemCounts{Pending: 4})
	b.ok(b.st.AcquireRunner(b.ctx, batchID, "b", b.now))
	b.claim("b", 2)
	b.ok(b.st.Declare(b.ctx, "b", b.now))
	b.same("one that is dead", store.ErrFenced, b.st.AcquireRunner(b.ctx, batchID, "b", b.now))
	b.ok(b.st.AcquireRunner(b.ctx, batchID, "a", b.now))
	b.counts(store.ItemCounts{Pending: 4})
}

func testItems(_ *testing.T, b *bench) {
	b.batch(3)
	_, err := b.st.AddItems(b.ctx, batchID, items(10, 2, "n"))
	b.ok(err)
	lanes, err := b.st.Lanes(b.ctx, batchID)
	b.ok(err)
	b.same("lanes", []string{"m", "n"}, lanes)
	b.counts(store.ItemCounts{Pending: 5})
	got := b.claim("a", 2)
	want := items(1, 2, "m")
	want[0].Attempt, want[1].Attempt = 1, 1
	b.same("claimed", want, got)
	for _, it := range append(got, b.claim("a", 5)...) {
		b.same("done", true, b.end("a", it, store.ItemDone))
	}
	lanes, err = b.st.Lanes(b.ctx, batchID)
	b.ok(err)
	b.same("open lanes", []string{"n"}, lanes)
	b.counts(store.ItemCounts{Pending: 2, Done: 3})
	page, err := b.st.Results(b.ctx, batchID, false, 1, 1)
	b.ok(err)
	b.same("a page", []any{1, int64(2), "item-2", `{"n":2}`}, []any{len(page), page[0].Seq, page[0].CustomID, string(page[0].Body)})
}

func testItemsKnown(_ *testing.T, b *bench) {
	b.batch(3)
	more := items(2, 4, "other lane")
	more = append(more, more[3])
	more[4].Seq = 6
	known, err := b.st.AddItems(b.ctx, batchID, more)
	b.ok(err)
	b.same("known", []store.KnownItem{{Index: 0, Seq: 2}, {Index: 1, Seq: 3}, {Index: 4, Seq: 5}}, known)
	b.counts(store.ItemCounts{Pending: 5})
	bad := items(7, 2, "m")
	bad[1].CustomID = "item-1"
	_, err = b.st.AddItems(b.ctx, batchID, bad)
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || conflict.CustomID != "item-1" {
		b.Fatalf("another content: %v", err)
	}
	b.counts(store.ItemCounts{Pending: 5})
	url := items(1, 1, "m")
	url[0].URL = "/v1/embeddings"
	if _, err = b.st.AddItems(b.ctx, batchID, url); !errors.As(err, &conflict) {
		b.Fatalf("another URL: %v", err)
	}
	taken := items(1, 1, "m")
	taken[0].CustomID = "new"
	if _, err = b.st.AddItems(b.ctx, batchID, taken); err == nil {
		b.Fatal("a number was taken twice")
	}
	for _, seq := range []int64{0, -1} {
		taken[0].Seq = seq
		if _, err = b.st.AddItems(b.ctx, batchID, taken); err == nil {
			b.Fatalf("number %d was taken", seq)
		}
	}
	b.counts(store.ItemCounts{Pending: 5})
	b.same("in input order", []int64{1, 2, 3}, seqs(b.claim("a", 9)))
}

func testLoading(_ *testing.T, b *bench) {
	b.join("a")
	_, _, err := b.st.CreateJob(b.ctx, store.Job{ID: batchID, State: store.JobLoading, Batch: true, Created: b.now}, money.Sum{})
	b.ok(err)
	_, err = b.st.AddItems(b.ctx, batchID, items(1, 3, "m"))
	b.ok(err)
	if _, err := b.st.Claim(b.ctx, batchID, "m", "a", 1, b.now); err == nil {
		b.Fatal("a batch ran before it was accepted")
	}
	b.ok(b.st.DropItems(b.ctx, batchID))
	b.counts(store.ItemCounts{})
	other := items(1, 2, "m")
	other[0].Body = []byte("changed")
	_, err = b.st.AddItems(b.ctx, batchID, other)
	b.ok(err)
	b.ok(b.st.Accept(b.ctx, batchID, "print", b.now.Add(time.Hour)))
	job, err := b.st.Job(b.ctx, batchID)
	b.ok(err)
	b.same("accepted", []any{store.JobPending, "print", b.now.Add(time.Hour)}, []any{job.State, job.Fingerprint, job.Updated})
	if err := b.st.DropItems(b.ctx, batchID); err == nil {
		b.Fatal("items of an accepted batch were dropped")
	}
	b.same("both", []int64{1, 2}, seqs(b.claim("a", 9)))
}
