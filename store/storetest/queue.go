package storetest

import (
	"bytes"
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

func testJobs(_ *testing.T, b *bench) {
	parent, created, err := b.st.CreateJob(b.ctx, store.Job{ID: "local/p", Created: b.now}, money.SumOf(5))
	b.ok(err)
	b.same("created", true, created)
	b.same("a job starts pending", store.JobPending, parent.State)
	b.now = b.now.Add(time.Second)
	child := store.Job{
		ID: "local/c", Parent: "local/p", State: store.JobRunning, Reason: "because", Batch: true, Simulated: true, Source: "in.jsonl",
		Fingerprint: "f", Created: b.now,
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
	known, err := b.st.AddItems(b.ctx, batchID, items(1, 3, "m"))
	b.ok(err)
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

func testClaim(_ *testing.T, b *bench) {
	b.batch(5)
	got := b.claim("a", 2)
	b.same("in order", []int64{1, 2}, seqs(got))
	b.same("none of no lane", 0, len(must(b.st.Claim(b.ctx, batchID, "none", "a", 9, b.now))))
	b.same("none for nobody", 0, len(must(b.st.Claim(b.ctx, batchID, "m", "a", 0, b.now))))
	b.ok(b.st.Unclaim(b.ctx, batchID, "a", []int64{1, 4, 99, -1}, time.Time{}))
	b.counts(store.ItemCounts{Pending: 4, Running: 1})
	got = b.claim("a", 2)
	b.same("put back", []int64{1, 3}, seqs(got))
	b.same("attempts stay counted", []int{2, 1}, []int{got[0].Attempt, got[1].Attempt})
	b.join("b")
	b.ok(b.st.Unclaim(b.ctx, batchID, "b", []int64{1}, time.Time{}))
	b.counts(store.ItemCounts{Pending: 2, Running: 3})
	_, err := b.st.ReleaseItems(b.ctx, "a")
	b.same("items of the living stay", store.ErrOwnerLive, err)
	b.ok(b.st.Declare(b.ctx, "a", b.now))
	_, err = b.st.Claim(b.ctx, batchID, "m", "a", 1, b.now)
	b.same("the dead claim nothing", store.ErrFenced, err)
	n, err := b.st.ReleaseItems(b.ctx, "a")
	b.ok(err)
	b.same("released", 3, n)
	b.counts(store.ItemCounts{Pending: 5})
	b.same("all again", []int64{1, 2, 3, 4, 5}, seqs(b.claim("b", 9)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func testClaimLater(_ *testing.T, b *bench) {
	b.batch(4)
	due := func() (time.Time, bool) {
		b.Helper()
		at, ok, err := b.st.NextDue(b.ctx, batchID, "m")
		b.ok(err)
		return at, ok
	}
	at, ok := due()
	b.same("due at once", []any{time.Time{}, true}, []any{at, ok})
	b.claim("a", 4)
	_, ok = due()
	b.same("none pending", false, ok)
	later := b.now.Add(time.Minute)
	b.ok(b.st.Unclaim(b.ctx, batchID, "a", []int64{3}, later.Add(time.Second)))
	b.ok(b.st.Unclaim(b.ctx, batchID, "a", []int64{2, 4}, later))
	at, ok = due()
	b.same("the earliest", []any{later, true}, []any{at, ok})
	b.same("not yet", 0, len(b.claim("a", 9)))
	b.now = later
	b.same("due", []int64{2, 4}, seqs(b.claim("a", 9)))
	b.ok(b.st.Unclaim(b.ctx, batchID, "a", []int64{4}, time.Time{}))
	b.now = later.Add(time.Second)
	got := b.claim("a", 9)
	b.same("in input order, whenever they came due", []int64{3, 4}, seqs(got))
	e := b.call(0, 0)
	e.Completion = &store.Completion{
		Job: batchID, Seq: 3, Attempt: got[0].Attempt, State: store.ItemPending, NotBefore: b.now.Add(time.Hour), Tried: true,
	}
	b.round("a", nil, e)
	at, ok = due()
	b.same("put back by a round", []any{b.now.Add(time.Hour), true}, []any{at, ok})
	b.now = b.now.Add(time.Hour)
	got = b.claim("a", 9)
	b.same("one try, three attempts", []int{1, 3}, []int{got[0].Tries, got[0].Attempt})
	_, ok, err := b.st.NextDue(b.ctx, batchID, "none")
	b.ok(err)
	b.same("no such lane", false, ok)
}

func testComplete(_ *testing.T, b *bench) {
	b.batch(2)
	account := b.account("job:"+batchID, 0)
	b.round("a", ops(store.LeaseOp{Counter: account, Wants: wants(100)}))
	got := b.claim("a", 2)
	want := store.Result{
		Seq: 1, CustomID: "item-1", Status: 200, RequestID: "r", Body: []byte("answer\x00\xff"), Truncated: true, CallID: "c", FinishedAt: b.now,
	}
	done, failed := b.call(30, 0, account), b.call(0, 10, account)
	done.Completion = &store.Completion{Job: batchID, Seq: 1, Attempt: got[0].Attempt, State: store.ItemDone, Result: &want}
	bad := store.Result{Status: 500, ErrorCode: "server_error", ErrorText: "it broke", FinishedAt: b.now}
	failed.Completion = &store.Completion{Job: batchID, Seq: 2, Attempt: got[1].Attempt, State: store.ItemFailed, Result: &bad}
	res := b.round("a", ops(store.LeaseOp{Counter: account, Seq: 1, Spent: 30, Doubt: 10}), done, failed)
	b.same("rejected", 0, len(res.Rejected))
	b.counts(store.ItemCounts{Done: 1, Failed: 1})
	b.figures(account, figures{Committed: 100, Spent: 30, Doubt: 10})
	ok, err := b.st.Results(b.ctx, batchID, false, 0, 10)
	b.ok(err)
	b.same("done", []store.Result{want}, ok)
	not, err := b.st.Results(b.ctx, batchID, true, 0, 10)
	b.ok(err)
	bad.Seq, bad.CustomID = 2, "item-2"
	b.same("failed", []store.Result{bad}, not)
}

// A completion counts once, and only for the owner and attempt that have the item. The money counts anyway.
func testCompleteFenced(_ *testing.T, b *bench) {
	b.batch(3)
	b.join("b")
	account := b.account("job:"+batchID, 0)
	b.round("a", ops(store.LeaseOp{Counter: account, Wants: wants(100)}))
	first := b.claim("a", 3)
	b.same("twice in one round, once", true, b.end("a", first[2], store.ItemDone))
	b.ok(b.st.Unclaim(b.ctx, batchID, "a", []int64{1}, time.Time{}))
	second := b.claim("a", 1)[0]
	late := b.call(10, 0, account)
	late.Completion = &store.Completion{Job: batchID, Seq: 1, Attempt: first[0].Attempt, State: store.ItemDone, Result: &store.Result{}}
	again := b.call(10, 0, account)
	again.Completion = &store.Completion{Job: batchID, Seq: 3, Attempt: first[2].Attempt, State: store.ItemFailed, Result: &store.Result{}}
	res := b.round("a", ops(store.LeaseOp{Counter: account, Seq: 1, Spent: 20}), late, again)
	b.same("rejected", []int{0, 1}, res.Rejected)
	b.figures(account, figures{Committed: 100, Spent: 20})
	b.counts(store.ItemCounts{Running: 2, Done: 1})
	b.same("another owner", false, b.end("b", second, store.ItemDone))
	b.ok(b.st.Declare(b.ctx, "a", b.now))
	zombie := b.call(7, 0, account)
	zombie.Completion = &store.Completion{Job: batchID, Seq: 1, Attempt: second.Attempt, State: store.ItemDone, Result: &store.Result{}}
	out := b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{zombie}})
	b.same("the dead complete what they have", 0, len(out.Rejected))
	_, err := b.st.ReleaseItems(b.ctx, "a")
	b.ok(err)
	b.same("claimed by another", []int64{2}, seqs(b.claim("b", 9)))
	zombie = b.call(7, 0, account)
	zombie.Completion = &store.Completion{Job: batchID, Seq: 2, Attempt: first[1].Attempt, State: store.ItemDone, Result: &store.Result{}}
	out = b.settle(store.PostMortem{Owner: "a", Entries: []store.Entry{zombie}, Final: true})
	b.same("and nothing else", []int{0}, out.Rejected)
	b.figures(account, figures{Committed: 34, Spent: 34})
	b.counts(store.ItemCounts{Running: 1, Done: 2})
	b.ok(CheckItems(b.ctx, b.st, batchID))
}

func testReset(_ *testing.T, b *bench) {
	b.batch(4)
	for i, it := range b.claim("a", 4) {
		e := b.call(0, 0)
		e.Completion = &store.Completion{Job: batchID, Seq: it.Seq, Attempt: it.Attempt, State: store.ItemDone, Result: &store.Result{Truncated: i < 2}}
		if i > 2 {
			e.Completion.State = store.ItemFailed
		}
		b.round("a", nil, e)
	}
	n, err := b.st.ResetItems(b.ctx, batchID, store.ResetFailed)
	b.ok(err)
	b.same("failed", 1, n)
	b.counts(store.ItemCounts{Pending: 1, Done: 3})
	n, err = b.st.ResetItems(b.ctx, batchID, store.ResetTruncated)
	b.ok(err)
	b.same("truncated", 2, n)
	b.counts(store.ItemCounts{Pending: 3, Done: 1})
	b.ok(CheckItems(b.ctx, b.st, batchID))
	for _, it := range b.claim("a", 9) {
		b.same("attempt", 2, it.Attempt)
		b.same("done again", true, b.end("a", it, store.ItemDone))
	}
	if _, err := b.st.ResetItems(b.ctx, batchID, "all"); err == nil {
		b.Fatal("an unknown filter was taken")
	}
}

func testLargeBodies(_ *testing.T, b *bench) {
	b.batch(1)
	big := items(2, 1, "m")
	big[0].Body = bytes.Repeat([]byte("0123456789"), 1<<20)
	_, err := b.st.AddItems(b.ctx, batchID, big)
	b.ok(err)
	got := b.claim("a", 2)
	b.same("the body", true, bytes.Equal(big[0].Body, got[1].Body))
	b.same("done", true, b.end("a", got[1], store.ItemDone))
	res, err := b.st.Results(b.ctx, batchID, false, 0, 10)
	b.ok(err)
	b.same("the answer", true, bytes.Equal(big[0].Body, res[0].Body))
}

func testCancelled(_ *testing.T, b *bench) {
	b.batch(3)
	account := b.account("job:"+batchID, 0)
	it := b.claim("a", 1)[0]
	b.ok(b.st.SetJobState(b.ctx, batchID, store.JobCancelled, "by hand", b.now))
	b.ok(b.st.SetJobState(b.ctx, batchID, store.JobCancelled, "again", b.now))
	b.same("closed", true, b.counter(account).Closed)
	_, claim := b.st.Claim(b.ctx, batchID, "m", "a", 1, b.now)
	_, add := b.st.AddItems(b.ctx, batchID, items(9, 1, "m"))
	_, reset := b.st.ResetItems(b.ctx, batchID, store.ResetFailed)
	for what, err := range map[string]error{
		"SetJobState": b.st.SetJobState(b.ctx, batchID, store.JobRunning, "", b.now), "Claim": claim, "AddItems": add, "ResetItems": reset,
		"Accept": b.st.Accept(b.ctx, batchID, "x", b.now), "AcquireRunner": b.st.AcquireRunner(b.ctx, batchID, "a", b.now),
	} {
		b.same(what, store.ErrCancelled, err)
	}
	job, err := b.st.Job(b.ctx, batchID)
	b.ok(err)
	b.same("the reason stays", "by hand", job.Reason)
	b.same("what was sent may end", true, b.end("a", it, store.ItemDone))
	b.counts(store.ItemCounts{Pending: 2, Done: 1})
}
