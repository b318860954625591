package postgres_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
)

// Whatever a text is, the database takes it, and gives it back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "\x00", "a\xffb", "\ufffe", "\ufffe61", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code := postgres.Plain(s)
		if !utf8.ValidString(code) || strings.IndexByte(code, 0) >= 0 {
			t.Errorf("%q is written as %q", s, code)
		}
		if back, err := postgres.Text(code); err != nil || back != s {
			t.Errorf("%q comes back as %q, %v", s, back, err)
		}
	})
}

// Names that an index or the database itself would not take are kept, and told from each other.
func TestStrangeNames(t *testing.T) {
	t.Parallel()
	st := open(t, pgtest.Database(t), postgres.Options{})
	ctx := t.Context()
	_, _, err := st.CreateJob(ctx, store.Job{ID: "local/a", State: store.JobLoading, Batch: true}, money.Sum{})
	if err != nil {
		t.Fatal(err)
	}
	var random strings.Builder
	for i := range 3000 {
		random.WriteRune(rune(0x4e00 + i*7919%20000))
	}
	names := []string{"a\x00b", "a\xffb", "\ufffe", random.String(), random.String() + "x", "a", "A"}
	var items []store.Item
	for i, n := range names {
		items = append(items, store.Item{Seq: int64(i + 1), CustomID: n, URL: "/\x00", Lane: "m\x00", Body: []byte{0, 255}})
	}
	for range 2 {
		known, err := st.AddItems(ctx, "local/a", items)
		if err != nil || len(known) != 0 && len(known) != len(names) {
			t.Fatal(known, err)
		}
	}
	if err := st.Accept(ctx, "local/a", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := st.Join(ctx, store.Owner{ID: "o", Joined: time.Now()}); err != nil {
		t.Fatal(err)
	}
	got, err := st.Claim(ctx, "local/a", "m\x00", "o", 99, time.Now())
	if err != nil || len(got) != len(names) {
		t.Fatal(len(got), err)
	}
	for i, it := range got {
		if it.CustomID != names[i] || it.URL != "/\x00" {
			t.Errorf("%q came back as %q", names[i], it.CustomID)
		}
	}
	// The row of a call is never refused for what a provider wrote into it.
	c, err := st.FindCounter(ctx, "job:local/a", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Apply(ctx, store.Round{Owner: "o", Epoch: 1, Entries: []store.Entry{{Call: store.Call{
		ID: "c\x00", Path: []store.CounterID{c.ID}, RequestID: "\xff\x00" + random.String(), Upstream: "\x00",
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	calls, _, err := st.Calls(ctx, "", 0, 9)
	if err != nil || len(calls) != 1 || calls[0].ID != "c\x00" || calls[0].RequestID != "\xff\x00"+random.String() {
		t.Errorf("%+v, %v", calls, err)
	}
}
