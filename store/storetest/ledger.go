package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func testCounters(_ *testing.T, b *bench) {
	june := time.Date(2026, 6, 1, 0, 0, 0, 0, time.FixedZone("east", 7200))
	spec := store.CounterSpec{Account: "key:local", Window: june, Limit: money.Sum{Dollars: 5, Pico: 7}}
	made, err := b.st.OpenCounter(b.ctx, spec)
	b.ok(err)
	b.same("made", store.Counter{ID: made.ID, Account: "key:local", Window: june.UTC(), Limit: spec.Limit}, made)
	spec.Limit, spec.Window = money.Unlimited, june.UTC()
	again, err := b.st.OpenCounter(b.ctx, spec)
	b.ok(err)
	b.same("an open counter keeps its limit", made, again)
	found, err := b.st.FindCounter(b.ctx, "key:local", june)
	b.ok(err)
	b.same("found", made, found)
	other, err := b.st.OpenCounter(b.ctx, store.CounterSpec{Account: "key:local", Window: june.AddDate(0, 1, 0), Limit: money.Unlimited})
	b.ok(err)
	if other.ID == made.ID {
		b.Fatal("two windows share a counter")
	}
	both, err := b.st.Counters(b.ctx, other.ID, made.ID, other.ID)
	b.ok(err)
	b.same("in the order of ids", []store.Counter{other, made, other}, both)
	raised, err := b.st.SetLimit(b.ctx, made.ID, money.Sum{Dollars: 9})
	b.ok(err)
	closed, err := b.st.SetClosed(b.ctx, made.ID, true)
	b.ok(err)
	b.same("raised and closed", []any{money.Sum{Dollars: 9}, false, true}, []any{raised.Limit, raised.Closed, closed.Closed})
	if _, err := b.st.SetLimit(b.ctx, made.ID, money.Sum{Dollars: -1}); err == nil {
		b.Fatal("a limit below zero was taken")
	}
	b.same("after a refusal", closed, b.counter(made.ID))
	b.invariants()
}

func testNotFound(_ *testing.T, b *bench) {
	_, counters := b.st.Counters(b.ctx, 99)
	_, find := b.st.FindCounter(b.ctx, "job:none", time.Time{})
	_, limit := b.st.SetLimit(b.ctx, 99, money.Sum{})
	_, closed := b.st.SetClosed(b.ctx, 99, true)
	_, owner := b.st.Owner(b.ctx, "nobody")
	_, lease := b.st.Lease(b.ctx, "nobody", b.account("job:a", 1))
	declare := b.st.Declare(b.ctx, "nobody", b.now)
	_, settle := b.st.SettleDead(b.ctx, store.PostMortem{Owner: "nobody", Now: b.now})
	_, job := b.st.Job(b.ctx, "none")
	_, count := b.st.CountItems(b.ctx, "none")
	_, add := b.st.AddItems(b.ctx, "none", []store.Item{{Seq: 1}})
	state := b.st.SetJobState(b.ctx, "none", store.JobDone, "", b.now)
	remove := b.st.RemoveJob(b.ctx, "none")
	for what, err := range map[string]error{
		"Counters": counters, "FindCounter": find, "SetLimit": limit, "SetClosed": closed, "Owner": owner, "Lease": lease,
		"Declare": declare, "SettleDead": settle, "Job": job, "CountItems": count, "AddItems": add, "SetJobState": state, "RemoveJob": remove,
	} {
		b.same(what, store.ErrNotFound, err)
	}
}

func testOwners(_ *testing.T, b *bench) {
	b.join("a")
	b.now = b.now.Add(time.Second)
	b.join("b")
	a, err := b.st.Owner(b.ctx, "a")
	b.ok(err)
	b.same("owner", store.Owner{
		ID: "a", Epoch: 1, State: store.OwnerLive, PID: 7, Host: "host", BootID: "boot", Joined: b.now.Add(-time.Second),
	}, a)
	if err := b.st.Join(b.ctx, store.Owner{ID: "a"}); err == nil {
		b.Fatal("an owner joined twice")
	}
	id := b.account("job:a", 100)
	b.round("a", ops(store.LeaseOp{Counter: id, Wants: wants(10)}))
	if err := b.st.Leave(b.ctx, "a", 1); err == nil {
		b.Fatal("an owner left with an open lease")
	}
	b.same("another epoch", store.ErrFenced, b.st.Leave(b.ctx, "b", 2))
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 1, Close: true}))
	b.ok(b.st.Leave(b.ctx, "a", 1))
	live, err := b.st.Owners(b.ctx, store.OwnerLive)
	b.ok(err)
	gone, err := b.st.Owners(b.ctx, store.OwnerGone)
	b.ok(err)
	b.same("live and gone", []int{1, 1}, []int{len(live), len(gone)})
	b.same("who is gone", store.OwnerID("a"), gone[0].ID)
	_, err = b.st.Apply(b.ctx, store.Round{Owner: "a", Epoch: 1, Now: b.now})
	b.same("a round of one that is gone", store.ErrFenced, err)
	_, err = b.st.Apply(b.ctx, store.Round{Owner: "never", Epoch: 1, Now: b.now})
	b.same("a round of one that never was", store.ErrFenced, err)
	b.ok(b.st.Declare(b.ctx, "a", b.now))
	still, err := b.st.Owner(b.ctx, "a")
	b.ok(err)
	b.same("one that left does not die", store.OwnerGone, still.State)
}

func testGrant(_ *testing.T, b *bench) {
	b.join("a")
	b.join("b")
	id := b.account("job:a", 100)
	res := b.round("a", ops(store.LeaseOp{Counter: id, Wants: wants(30, 40, 31, 1), Extra: 5, WantedUntil: b.now.Add(time.Minute)}))
	want := b.counter(id)
	b.same("whole wants only, up to the first that does not fit", store.LeaseState{
		Counter: id, Seq: 1, Granted: 70, Wants: 2, Account: want,
	}, res.Leases[0])
	b.same("wanted", b.now.Add(time.Minute), want.WantedUntil)
	b.figures(id, figures{Committed: 70})
	res = b.round("b", ops(store.LeaseOp{Counter: id, Wants: wants(20), Extra: 11, WantedUntil: b.now}))
	b.same("extra does not fit", []any{1, false}, []any{res.Leases[0].Wants, res.Leases[0].Extra})
	b.same("a wish by a clock that is behind", b.now.Add(time.Minute+1), res.Leases[0].Account.WantedUntil)
	res = b.round("b", ops(store.LeaseOp{Counter: id, Seq: 1, Give: 5, Extra: 15}))
	b.same("given back first", []any{money.USD(30), true}, []any{res.Leases[0].Granted, res.Leases[0].Extra})
	b.figures(id, figures{Committed: 100})
	_, err := b.st.SetLimit(b.ctx, id, money.SumOf(50))
	b.ok(err)
	res = b.round("a", ops(store.LeaseOp{Counter: id, Seq: 1, Give: 40, Wants: wants(1)}))
	b.same("nothing above a lowered limit", 0, res.Leases[0].Wants)
	res = b.round("b", ops(store.LeaseOp{Counter: id, Seq: 2, Close: true}))
	b.same("a closed lease", []any{int64(0), money.USD(0)}, []any{res.Leases[0].Seq, res.Leases[0].Granted})
	_, err = b.st.SetClosed(b.ctx, id, true)
	b.ok(err)
	res = b.round("a", ops(store.LeaseOp{Counter: id, Seq: 2, Wants: wants(1), Extra: 1}))
	b.same("a closed account grants nothing", []any{0, false}, []any{res.Leases[0].Wants, res.Leases[0].Extra})
	b.figures(id, figures{Committed: 30})
	lease, err := b.st.Lease(b.ctx, "a", id)
	b.ok(err)
	b.same("lease", store.LeaseState{Counter: id, Seq: 3, Granted: 30, Account: b.counter(id)}, lease)
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 3, Give: 30, Close: true}))
	b.figures(id, figures{})
}

func testForce(_ *testing.T, b *bench) {
	b.join("a")
	job, global := b.account("job:a", 10), b.account("global", 1000)
	b.round("a", ops(store.LeaseOp{Counter: job, Wants: wants(10)}, store.LeaseOp{Counter: global, Wants: wants(10)}))
	res := b.round("a", ops(
		store.LeaseOp{Counter: global, Seq: 1, Spent: 25, Force: 15},
		store.LeaseOp{Counter: job, Seq: 1, Spent: 25, Force: 15, Wants: wants(1)},
	), b.call(25, 0, job, global))
	b.same("in the order of the round", []store.CounterID{global, job}, []store.CounterID{res.Leases[0].Counter, res.Leases[1].Counter})
	b.same("above the limit nothing is granted", 0, res.Leases[1].Wants)
	b.same("remaining", money.Sum{}, res.Leases[1].Account.Remaining())
	b.figures(job, figures{Committed: 25, Spent: 25})
	b.round("a", ops(store.LeaseOp{Counter: job, Seq: 2, Spent: 25, Close: true}, store.LeaseOp{Counter: global, Seq: 2, Spent: 25, Close: true}))
	b.figures(job, figures{Committed: 25, Spent: 25})
	b.figures(global, figures{Committed: 25, Spent: 25})
}

// A round whose acknowledgement was lost is answered by the lease row, whether it had arrived or not.
func testLostAcknowledgement(_ *testing.T, b *bench) {
	b.join("a")
	id := b.account("job:a", 100)
	first := store.Round{Owner: "a", Epoch: 1, Now: b.now, Leases: ops(store.LeaseOp{Counter: id, Wants: wants(50)})}
	_, err := b.st.Apply(b.ctx, first)
	b.ok(err)
	_, err = b.st.Apply(b.ctx, first)
	b.same("repeated", store.ErrStale, err)
	second := store.Round{
		Owner: "a", Epoch: 1, Now: b.now, Entries: []store.Entry{b.call(20, 5, id)},
		Leases: ops(store.LeaseOp{Counter: id, Seq: 1, Spent: 20, Doubt: 5, Give: 5, Wants: wants(1)}),
	}
	_, err = b.st.Apply(b.ctx, second)
	b.ok(err)
	for range 2 {
		_, err = b.st.Apply(b.ctx, second)
		b.same("repeated", store.ErrStale, err)
	}
	lease, err := b.st.Lease(b.ctx, "a", id)
	b.ok(err)
	b.same("what the row tells", []any{int64(2), money.USD(41), money.USD(20)}, []any{lease.Seq, lease.Granted, lease.Spent})
	b.figures(id, figures{Committed: 46, Spent: 20, Doubt: 5})
	last := store.Round{Owner: "a", Epoch: 1, Now: b.now, Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 20, Close: true})}
	_, err = b.st.Apply(b.ctx, last)
	b.ok(err)
	_, err = b.st.Apply(b.ctx, last)
	b.same("repeated close", store.ErrStale, err)
	_, err = b.st.Lease(b.ctx, "a", id)
	b.same("a closed lease is not there", store.ErrNotFound, err)
	b.figures(id, figures{Committed: 25, Spent: 20, Doubt: 5})
}

// What does not add up is refused as a whole: neither row nor lease is written.
func testUnbalanced(_ *testing.T, b *bench) {
	b.join("a")
	id, other := b.account("job:a", 100), b.account("global", 100)
	b.round("a", ops(store.LeaseOp{Counter: id, Wants: wants(50)}))
	twice := b.call(3, 0, id)
	b.round("a", ops(store.LeaseOp{Counter: id, Seq: 1, Spent: 3}), twice)
	for what, r := range map[string]store.Round{
		"spending without a call":     {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 4})},
		"a call without spending":     {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 3}), Entries: []store.Entry{b.call(1, 0, id)}},
		"a call without its lease":    {Entries: []store.Entry{b.call(1, 0, id)}},
		"a call on two, booked once":  {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 4}), Entries: []store.Entry{b.call(1, 0, id, other)}},
		"a call that is there":        {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 6}), Entries: []store.Entry{twice}},
		"spending less":               {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 2})},
		"doubt without a call":        {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 3, Doubt: 1})},
		"spending beyond the grant":   {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 53}), Entries: []store.Entry{b.call(50, 0, id)}},
		"giving back more than is":    {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 3, Give: 48})},
		"a negative want":             {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 3, Wants: wants(-1)})},
		"a negative cost":             {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 2}), Entries: []store.Entry{b.call(-1, 0, id)}},
		"a path that meets itself":    {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 5}), Entries: []store.Entry{b.call(1, 0, id, id)}},
		"two changes of one lease":    {Leases: ops(store.LeaseOp{Counter: id, Seq: 2, Spent: 3}, store.LeaseOp{Counter: id, Seq: 2, Spent: 3})},
		"a call without a name":       {Entries: []store.Entry{{}}},
		"an item done without result": {Entries: []store.Entry{{Call: store.Call{ID: "x"}, Completion: &store.Completion{State: store.ItemDone}}}},
	} {
		r.Owner, r.Epoch, r.Now = "a", 1, b.now
		_, err := b.st.Apply(b.ctx, r)
		b.same(what, store.ErrUnbalanced, err)
		b.figures(id, figures{Committed: 50, Spent: 3})
	}
	_, err := b.st.Apply(b.ctx, store.Round{Owner: "a", Epoch: 1, Now: b.now, Leases: ops(store.LeaseOp{Counter: 99, Wants: wants(1)})})
	b.same("an unknown counter", store.ErrNotFound, err)
	calls, _, err := b.st.Calls(b.ctx, "", 0, 10)
	b.ok(err)
	b.same("rows", 1, len(calls))
}

// Totals may pass what an int64 of pico-dollars holds, and no limit is a limit like any other.
func testLargeSums(_ *testing.T, b *bench) {
	b.join("a")
	b.join("b")
	c, err := b.st.OpenCounter(b.ctx, store.CounterSpec{Account: "global", Limit: money.Unlimited})
	b.ok(err)
	for _, o := range []store.OwnerID{"a", "b"} {
		res := b.round(o, ops(store.LeaseOp{Counter: c.ID, Wants: wants(money.Max, 1)}))
		b.same("what no lease can hold is not granted", 1, res.Leases[0].Wants)
		b.round(o, ops(store.LeaseOp{Counter: c.ID, Seq: 1, Spent: money.Max}), b.call(money.Max, 0, c.ID))
	}
	want := money.SumOf(money.Max).Add(money.Max)
	b.same("shown", want, b.counter(c.ID).Spent)
	b.round("a", ops(store.LeaseOp{Counter: c.ID, Seq: 2, Spent: money.Max, Close: true}))
	b.round("b", ops(store.LeaseOp{Counter: c.ID, Seq: 2, Spent: money.Max, Close: true}))
	b.same("counted in", want, b.counter(c.ID).Spent)
	b.same("committed", want, b.counter(c.ID).Committed)
	_, sums, err := b.st.ModelSums(b.ctx, "")
	b.ok(err)
	b.same("by model", want, sums["m"].Cost)
}

func testCalls(_ *testing.T, b *bench) {
	b.join("a")
	id, global := b.account("job:a", 1000), b.account("global", 1000)
	full := store.Call{
		ID: "full", Attempt: 0, Job: "local/a", Path: []store.CounterID{id, global}, Item: 3, Provider: "openai", Model: "fast", Upstream: "big-1",
		API: "chat", Status: 200, Outcome: "ok", Error: "none", InputTokens: 1, CacheReadTokens: 2, CacheWriteTokens: 4, OutputTokens: 8,
		ReasoningTokens: 16, Cost: 10, Own: 7, Doubt: 1, Bound: 11, BoundKind: "bytes", PriceHash: "h", PriceFrom: "f", RequestID: "r",
		Started: b.now, Ended: b.now.Add(time.Nanosecond),
	}
	retry := full
	retry.Attempt, retry.Cost, retry.Own, retry.Doubt, retry.Status, retry.Started = 1, 0, 0, 0, 429, time.Time{}
	other := b.call(0, 0)
	other.Call.Job = "local/other"
	b.round("a", ops(
		store.LeaseOp{Counter: id, Wants: wants(11)}, store.LeaseOp{Counter: global, Wants: wants(11)},
	))
	b.round("a", ops(
		store.LeaseOp{Counter: id, Seq: 1, Spent: 10, Doubt: 1}, store.LeaseOp{Counter: global, Seq: 1, Spent: 10, Doubt: 1},
	), store.Entry{Call: full}, other, store.Entry{Call: retry})
	b.round("a", nil, store.Entry{Call: retry}) // free, and there already
	page, next, err := b.st.Calls(b.ctx, "local/a", 0, 1)
	b.ok(err)
	b.same("first page", []store.Call{full}, page)
	page, next, err = b.st.Calls(b.ctx, "local/a", next, 1)
	b.ok(err)
	b.same("second page", []store.Call{retry}, page)
	b.same("the end", int64(0), next)
	all, next, err := b.st.Calls(b.ctx, "", 0, 100)
	b.ok(err)
	b.same("all", []store.Call{full, other.Call, retry}, all)
	b.same("the end", int64(0), next)
	account, sums, err := b.st.ModelSums(b.ctx, "local/a")
	b.ok(err)
	b.same("no account of this job", store.Counter{}, account)
	b.same("by model", map[string]store.ModelSum{
		"fast": {Calls: 1, Attempts: 2, InputTokens: 14, OutputTokens: 16, Cost: money.SumOf(10), Own: money.SumOf(7)},
	}, sums)
	doubts, err := b.st.Doubts(b.ctx, id)
	b.ok(err)
	b.same("doubt", []store.Doubt{{
		ID: doubts[0].ID, Owner: "a", Counter: id, Call: "full", Amount: 1, Since: b.now, Job: "local/a", Provider: "openai", Model: "fast",
		Upstream: "big-1", Started: b.now,
	}}, doubts)
}

func testUseModel(_ *testing.T, b *bench) {
	b.join("a")
	b.join("b")
	use := func(owner store.OwnerID, key string, window, held time.Duration) store.ModelUsers {
		b.now = b.now.Add(time.Second) // where the store has no clock of its own
		u, err := b.st.UseModel(b.ctx, store.ModelUse{Owner: owner, Key: key, Now: b.now, Window: window, Held: held})
		b.ok(err)
		if u.Oldest.After(u.Now) || u.Now.Sub(u.Oldest) > window {
			b.Fatalf("the oldest of %s is at %s, now %s", window, u.Oldest, u.Now)
		}
		return u
	}
	for i, step := range []struct {
		owner  store.OwnerID
		key    string
		window time.Duration
		want   int
	}{
		{"a", "m", time.Hour, 1},
		{"b", "m", time.Hour, 2},
		{"b", "n", time.Hour, 1},
		{"b", "m", time.Nanosecond, 1},
		{"a", "m", time.Hour, 2},
	} {
		u := use(step.owner, step.key, step.window, 0)
		b.same("left by nobody, held by nobody", store.ModelUsers{}, store.ModelUsers{Left: u.Left, Held: u.Held})
		if u.Owners != step.want || step.want == 1 && !u.Oldest.Equal(u.Now) {
			b.Fatalf("step %d: %+v, want %d owners", i, u, step.want)
		}
	}
	joined := use("a", "m", time.Hour, 0).Now
	b.same("b has not looked since", true, use("a", "m", time.Hour, 0).Oldest.Before(joined))
	b.same("b has looked", false, use("b", "m", time.Hour, 0).Oldest.Before(joined))

	use("a", "m", time.Hour, time.Minute)
	held := use("b", "m", time.Hour, 0).Held
	b.same("what one was told all know", true, held > 50*time.Second && held <= time.Minute)
	later := use("b", "m", time.Hour, 20*time.Second).Held
	b.same("and it does not grow by being told on", true, later > 40*time.Second && later < held)
	b.same("of another model nobody was told", time.Duration(0), use("b", "n", time.Hour, 0).Held)

	b.ok(b.st.Declare(b.ctx, "a", b.now))
	u := use("b", "m", time.Hour, 0)
	b.same("without the dead", 1, u.Owners)
	b.same("who left a moment ago", true, !u.Left.IsZero() && u.Left.Before(u.Now))
	b.same("what the dead was told holds", true, u.Held > 30*time.Second && u.Held < later)
	b.same("told once", time.Time{}, use("b", "m", time.Hour, 0).Left)
}

// Of those who come to a model at once one is alone at most, and none of the others is told that all know of it before they do.
func testUseModelAtOnce(_ *testing.T, b *bench) {
	const n = 8
	owners := make([]store.OwnerID, n)
	for i := range owners {
		owners[i] = store.OwnerID(fmt.Sprint("o", i))
		b.join(owners[i])
	}
	for round := range 20 {
		var all sync.WaitGroup
		got := make([]store.ModelUsers, n)
		errs := make([]error, n)
		for i, owner := range owners {
			all.Go(func() {
				got[i], errs[i] = b.st.UseModel(b.ctx, store.ModelUse{Owner: owner, Key: fmt.Sprint("m", round), Now: b.now, Window: time.Hour})
			})
		}
		all.Wait()
		b.ok(errors.Join(errs...))
		seen := make(map[int]bool)
		for _, u := range got {
			if seen[u.Owners] {
				b.Fatalf("two that came at once were told of %d owners", u.Owners)
			}
			seen[u.Owners] = true
		}
	}
}

func testTakeDay(_ *testing.T, b *bench) {
	today := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) // where days begin at midnight in Los Angeles
	limit := store.DayUse{Requests: 10, Tokens: 1000}
	for i, step := range []struct {
		key              string
		day              time.Time
		want, limit      store.DayUse
		wantGot, wantAll store.DayUse
	}{
		{"m", today, store.DayUse{Requests: 4, Tokens: 600}, limit, store.DayUse{Requests: 4, Tokens: 600}, store.DayUse{Requests: 4, Tokens: 600}},
		{"m", today, store.DayUse{Requests: 4, Tokens: 600}, limit, store.DayUse{Requests: 4, Tokens: 400}, store.DayUse{Requests: 8, Tokens: 1000}},
		{"n", today, store.DayUse{Requests: 4}, store.DayUse{}, store.DayUse{Requests: 4}, store.DayUse{Requests: 4}},
		{"m", today, store.DayUse{Tokens: 1}, limit, store.DayUse{}, store.DayUse{Requests: 8, Tokens: 1000}},
		{"m", today, store.DayUse{Requests: -3, Tokens: -100}, limit, store.DayUse{Requests: -3, Tokens: -100}, store.DayUse{Requests: 5, Tokens: 900}},
		{"m", today, store.DayUse{Requests: 9, Tokens: 1}, store.DayUse{Requests: 3, Tokens: 1000}, store.DayUse{Tokens: 1}, store.DayUse{Requests: 5, Tokens: 901}},
		{"m", today, store.DayUse{Requests: -9}, limit, store.DayUse{Requests: -5}, store.DayUse{Tokens: 901}},
		{"m", today.AddDate(0, 0, 1), store.DayUse{Requests: 1}, limit, store.DayUse{Requests: 1}, store.DayUse{Requests: 1}},
	} {
		got, all, err := b.st.TakeDay(b.ctx, step.key, step.day, step.want, step.limit)
		b.ok(err)
		if got != step.wantGot || all != step.wantAll {
			b.Fatalf("step %d: got %+v of %+v, want %+v of %+v", i, got, all, step.wantGot, step.wantAll)
		}
	}
}
