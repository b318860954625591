package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// row returns the row that SELECT makes of values, as a table would.
func selected(t *testing.T, db *sql.DB, values []any) *sql.Rows {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // which ends before the rows are closed
	rows, err := db.QueryContext(ctx, "SELECT ?"+strings.Repeat(", ?", len(values)-1), values...)
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	t.Cleanup(func() {
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Error(err)
		}
	})
	return rows
}

func inMemory(f *testing.F) *sql.DB {
	f.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	return db
}

// A call is read as it was written.
func FuzzCallRow(f *testing.F) {
	db := inMemory(f)
	f.Add("call_1", "local/job", "m", int64(3), int64(1), int64(1e12), int64(1_760_000_000_000_000_000), 200)
	f.Add("", "\x00", "'; DROP TABLE call; --", int64(-1), int64(0), int64(-1), int64(-1), -1)
	f.Add("é\n", "\"", "NULL", int64(1<<62), int64(1<<62), int64(1<<62), int64(1), 1<<31)
	f.Fuzz(func(t *testing.T, id, job, text string, first, second, amount, at int64, status int) {
		want := store.Call{
			ID: id, Attempt: status, Job: job, Path: []store.CounterID{store.CounterID(first), store.CounterID(second)}, Item: second, Provider: text, Model: text + "m",
			Upstream: text, API: job, Status: status, Outcome: id, Error: text, InputTokens: first, CacheReadTokens: second, CacheWriteTokens: first, OutputTokens: second,
			ReasoningTokens: amount, Cost: money.USD(amount), Doubt: money.USD(first), Bound: money.USD(second), BoundKind: text, PriceHash: id, PriceFrom: job, RequestID: text,
		}
		if at != 0 {
			want.Started, want.Ended = time.Unix(0, at).UTC(), time.Unix(0, at).UTC().Add(1)
		}
		if nanos(want.Started) == 0 || nanos(want.Ended) == 0 {
			want.Started, want.Ended = time.Time{}, time.Time{} // the moment that stands for none
		}
		number, got, err := scanCall(selected(t, db, append([]any{int64(1), first}, callArgs(&want)...)))
		if err != nil || number != first || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nis read as %d, %v,\n%+v", want, number, err, got)
		}
		sum := (&tx{s: new(Store)}).withSum("call", callArgs(&want))
		var same bool
		if err := db.QueryRow("SELECT crc = aurea_sum('call'"+strings.Repeat(", ?", len(sum)-1)+") FROM (SELECT ? AS crc)", sum...).Scan(&same); err != nil || !same {
			t.Fatalf("%+v: the checksum is not that of SQL: %v", want, err)
		}
	})
}

// A row that somebody else wrote is read or refused; what is read is a path that is written the same, and not more than the row held.
func FuzzForeignRow(f *testing.F) {
	db := inMemory(f)
	f.Add("3,1", int64(5), []byte("x"), byte(0))
	f.Add("", int64(-5), []byte{}, byte(3))
	f.Add("1,,2", int64(0), []byte("9"), byte(7))
	f.Fuzz(func(t *testing.T, text string, number int64, blob []byte, order byte) {
		kinds := []any{text, number, blob, nil, float64(number) / 3}
		values := make([]any, 28)
		for i := range values {
			values[i] = kinds[(int(order)*i+i)%len(kinds)]
		}
		values[0] = int64(1) // its checksum is right
		if _, c, err := scanCall(selected(t, db, values)); err == nil {
			if again := splitPath(joinPath(c.Path)); !reflect.DeepEqual(again, c.Path) {
				t.Fatalf("%v is written and read as %v", c.Path, again)
			}
		}
		if c, err := scanCounter(selected(t, db, values[:14])); err == nil && c.Account == "" && text != "" && values[2] == any(text) { //nolint:rowserrcheck // selected looks at it when the test ends
			t.Fatalf("%q was lost: %+v", text, c)
		}
		if o, err := scanOwner(selected(t, db, values[:9])); err == nil && o.Host == "" && text != "" && values[5] == any(text) {
			t.Fatalf("%q was lost: %+v", text, o)
		}
		if path := splitPath(text); len(path) > strings.Count(text, ",")+1 {
			t.Fatalf("%q holds %d counters", text, len(path))
		}
	})
}

// An owner's name becomes the name of a file, and never one outside of the folder.
func FuzzOwnerName(f *testing.F) {
	for _, seed := range []string{"", "a", "0198c2f0-0000-7000-8000-000000000000", "..", "../x", `a\b`, "a/b", "c:x", ".hidden", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(store.OwnerID(name)) == nil && (name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\:`)) {
			t.Fatalf("%q passes", name)
		}
	})
}
