package storetest

import (
	"bytes"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/store"
)

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
