package budget

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// spoil changes a journal in one of the ways that files are changed. n chooses the way, r the place.
func spoil(r *rand.Rand, n int, b []byte) (damaged []byte, how string) {
	used := len(bytes.TrimRight(b, "\x00"))
	at := r.IntN(used)
	garbage := make([]byte, 1+r.IntN(3000))
	for i := range garbage {
		garbage[i] = byte(r.Uint32())
	}
	switch n % 8 {
	case 0:
		b[at] ^= 1 << r.IntN(8)
		return b, "flipped"
	case 1:
		return b[:at], "cut short"
	case 2:
		clear(b[at:min(used, at+1+r.IntN(600))])
		return b, "zeros in it"
	case 3:
		clear(b[at:])
		return b, "zeros from there on"
	case 4:
		copy(b[at:used], garbage)
		return b, "garbage in it"
	case 5:
		return append(b, garbage...), "garbage at its end"
	case 6:
		return append(b, make([]byte, len(garbage))...), "zeros at its end"
	default:
		return garbage, "only garbage"
	}
}

// Whatever happens to the journal of a process that died: nothing that may have been spent is forgotten, nothing is booked that was
// not spent, and what cannot be known is said with the name of the file.
func TestDamagedJournalKeepsMoneySafe(t *testing.T) {
	t.Parallel()
	const billed, open = "0.3", "1.03" // by the two ended calls; by one of them and the one on the wire
	for seed := range 160 {
		st := newTestStore(t)
		id, path := dying(t, st)
		file := st.JournalPath(id)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(seed), 11))
		damaged, how := spoil(r, seed, b)
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := Recover(t.Context(), st, time.Now())
		if err != nil || len(found) != 1 {
			t.Fatalf("seed %d, %s: %+v, %v", seed, how, found, err)
		}
		n, err := st.CountItems(t.Context(), "local/a")
		if err != nil || n.Running != 0 || n.Total() != 2 {
			t.Errorf("seed %d, %s: items %+v, %v", seed, how, n, err)
		}
		if found[0].Unproven == nil { // what was changed says nothing
			checkSettled(t, st)
			continue
		}
		if !strings.Contains(found[0].Unproven.Error(), file) {
			t.Errorf("seed %d, %s: the file is not named: %v", seed, how, found[0].Unproven)
		}
		for _, account := range []string{"job:local/a", "key:local"} {
			c := counterOf(t, st, account)
			spent := sum("0.1")
			if n.Done == 1 {
				spent = sum(billed)
			}
			most := sum(billed).Plus(sum(open))
			if c.Spent != spent || c.Committed != c.Spent.Plus(c.Doubt) || c.Committed.Cmp(most) < 0 || c.Limit.Cmp(c.Committed) < 0 {
				t.Errorf("seed %d, %s: %+v, items %+v", seed, how, c, n)
			}
		}
		if _, err := Reconcile(t.Context(), st, path, "local/a", true, time.Now(), 0); err != nil {
			t.Errorf("seed %d, %s: %v", seed, how, err)
		}
		if c := counterOf(t, st, "job:local/a"); c.Doubt != (money.Sum{}) || c.Committed != c.Spent {
			t.Errorf("seed %d, %s: reconciled: %+v", seed, how, c)
		}
	}
}

// A living process says once what it found, and goes on.
func TestDamagedJournalIsSaidOnce(t *testing.T) {
	t.Parallel()
	st := newTestStore(t)
	id, _ := dying(t, st)
	if err := os.WriteFile(st.JournalPath(id), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	tr, err := Open(t.Context(), st, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := tr.sweep(t.Context(), tr.Owner()); err != nil {
			t.Error(err)
		}
	}
	p := mustPath(t, tr, spec("job:local/a", "10"))
	h, err := tr.Hold(t.Context(), p, Ask{Call: store.Call{ID: "next", Job: "local/a"}, Amount: usd("0.5")})
	if err != nil {
		t.Fatal(err)
	}
	h.Release()
	mustClose(t, tr)
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), st.JournalPath(id)) {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}
