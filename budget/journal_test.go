package budget

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

func genTime(t *rapid.T, name string) time.Time {
	if rapid.Bool().Draw(t, name+" is zero") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, name), rapid.Int64Range(0, 999_999_999).Draw(t, name+" ns")).UTC()
}

func genCall(t *rapid.T) store.Call {
	text := func(name string) string { return rapid.String().Draw(t, name) }
	count := func(name string) int64 { return rapid.Int64().Draw(t, name) }
	amount := func(name string) money.USD { return money.USD(rapid.Int64Min(0).Draw(t, name)) }
	c := store.Call{
		ID: text("id"), Attempt: int(rapid.Int32().Draw(t, "attempt")), Job: text("job"), Item: count("item"), Provider: text("provider"),
		Model: text("model"), Upstream: text("upstream"), API: text("api"), Status: int(rapid.Int32().Draw(t, "status")), Outcome: text("outcome"),
		Error: text("error"), InputTokens: count("in"), CacheReadTokens: count("read"), CacheWriteTokens: count("write"),
		OutputTokens: count("out"), ReasoningTokens: count("reasoning"), Cost: amount("cost"), Own: amount("own"), Doubt: amount("doubt"), Bound: amount("bound"),
		BoundKind: text("kind"), PriceHash: text("hash"), PriceFrom: text("from"), RequestID: text("request"),
		Started: genTime(t, "started"), Ended: genTime(t, "ended"),
	}
	for _, id := range rapid.SliceOfN(rapid.Int64(), 0, 10).Draw(t, "path") {
		c.Path = append(c.Path, store.CounterID(id))
	}
	return c
}

func genEntry(t *rapid.T) store.Entry {
	e := store.Entry{Call: genCall(t)}
	if rapid.Bool().Draw(t, "completes") {
		e.Completion = &store.Completion{
			Job: rapid.String().Draw(t, "cjob"), Seq: rapid.Int64().Draw(t, "seq"), Attempt: int(rapid.Int32().Draw(t, "cattempt")),
			State: store.ItemState(rapid.String().Draw(t, "state")), NotBefore: genTime(t, "not before"), Tried: rapid.Bool().Draw(t, "tried"),
		}
		if rapid.Bool().Draw(t, "has result") {
			e.Completion.Result = &store.Result{
				Seq: rapid.Int64().Draw(t, "rseq"), CustomID: rapid.String().Draw(t, "custom"), Status: int(rapid.Int32().Draw(t, "rstatus")),
				RequestID: rapid.String().Draw(t, "rreq"), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"), ErrorCode: rapid.String().Draw(t, "code"),
				ErrorText: rapid.String().Draw(t, "text"), Truncated: rapid.Bool().Draw(t, "cut"), CallID: rapid.String().Draw(t, "call"),
				FinishedAt: genTime(t, "finished"),
			}
		}
	}
	return e
}

func TestRecordsReadBackAsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := genEntry(t)
		got, err := decodeEntry(appendEntry(nil, e))
		if d := cmp.Diff(e, got); err != nil || d != "" {
			t.Fatalf("entry: %v %s", err, d)
		}
		o := store.OpenHold{Call: genCall(t), Amount: money.USD(rapid.Int64Min(0).Draw(t, "amount"))}
		back, err := decodeOpen(appendOpen(nil, o))
		if d := cmp.Diff(o, back); err != nil || d != "" {
			t.Fatalf("open hold: %v %s", err, d)
		}
	})
}

func openHold(id string, amount money.USD) store.OpenHold {
	return store.OpenHold{Call: store.Call{ID: id, Path: []store.CounterID{1, 2}, Bound: amount}, Amount: amount}
}

func endedCall(id string, cost money.USD) store.Entry {
	return store.Entry{Call: store.Call{ID: id, Cost: cost, Path: []store.CounterID{1, 2}}}
}

// sampleJournal writes a, b and c as sent, b as ended, c as released, and d as ended without having been sent. It returns the file and
// the offsets at which records end.
func sampleJournal(t testing.TB, ends ...*[]int64) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "owner.journal")
	j, err := createJournal(path, "owner", "boot")
	if err != nil {
		t.Fatal(err)
	}
	note := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ends {
			*e = append(*e, j.off)
		}
	}
	note(nil)
	note(j.sent(1, openHold("a", 5)))
	note(j.sent(2, openHold("b", 7)))
	note(j.sent(3, openHold("c", 9)))
	note(j.ended(2, endedCall("b", 4)))
	note(j.released(3))
	note(j.ended(4, endedCall("d", 1)))
	j.close()
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestJournalSaysWhatHappened(t *testing.T) {
	t.Parallel()
	path, _ := sampleJournal(t)
	r, err := readJournal(path, "owner", "boot")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]store.OpenHold{openHold("a", 5)}, r.sent); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]store.Entry{endedCall("b", 4), endedCall("d", 1)}, r.ended); d != "" {
		t.Error(d)
	}
	for _, c := range []struct{ owner, boot string }{{"other", "boot"}, {"owner", "later"}, {"owner", ""}} {
		if _, err := readJournal(path, store.OwnerID(c.owner), c.boot); !errors.Is(err, errJournalProvesNothing) {
			t.Errorf("journal of owner/boot read as %v: %v", c, err)
		}
	}
	if _, err := readJournal(filepath.Join(t.TempDir(), "none"), "owner", "boot"); !errors.Is(err, errJournalProvesNothing) {
		t.Errorf("no journal: %v", err)
	}
}

// Killed in the middle of a write, the journal says exactly what the records before it say, wherever the cut is, and
// whether the rest of the file is zeros or missing.
func TestJournalCutAtEveryByte(t *testing.T) {
	t.Parallel()
	var ends []int64
	_, content := sampleJournal(t, &ends)
	counts := func(r *replay) [2]int { return [2]int{len(r.sent), len(r.ended)} }
	content = content[:ends[len(ends)-1]+64]
	want := [][2]int{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {2, 1}, {1, 1}, {1, 2}}
	for cut := ends[0]; cut <= ends[len(ends)-1]; cut++ {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		zeroed := bytes.Clone(content)
		clear(zeroed[cut:])
		for name, b := range map[string][]byte{"zeros": zeroed, "missing": bytes.Clone(content[:cut])} {
			if r, err := parseJournal(b); whole+1 < len(ends) && (err == nil || len(r.sent) > 0) {
				t.Fatalf("cut at %d after more was written, rest %s: %+v, %v; want it to be missed", cut, name, r, err)
			}
			sum := counted(uint32(whole))
			copy(b[ends[0]-countSize:], sum[:])
			r, err := parseJournal(b)
			if err != nil || counts(r) != want[whole] {
				t.Fatalf("cut at %d, rest %s: %+v, %v; want sent and ended %v", cut, name, r, err, want[whole])
			}
		}
	}
}

// A flipped bit must never release what was sent or book what was not: the journal says the same as before, or
// nothing at all.
func TestJournalWithFlippedBits(t *testing.T) {
	t.Parallel()
	var ends []int64
	_, content := sampleJournal(t, &ends)
	last := ends[len(ends)-1]
	content = content[:last+64]
	for at := range last + 64 {
		for bit := range 8 {
			b := bytes.Clone(content)
			b[at] ^= 1 << bit
			r, err := parseJournal(b)
			if err != nil {
				checkSalvaged(t, r)
				continue
			}
			if at < last || len(r.sent) != 1 || len(r.ended) != 2 {
				t.Fatalf("bit %d of byte %d flipped (log ends at %d): read as %+v", bit, at, last, r)
			}
		}
	}
}

// checkSalvaged compares what is left of a damaged sample journal with what was in it.
func checkSalvaged(t *testing.T, r *replay) {
	t.Helper()
	if r == nil {
		return
	}
	if len(r.sent) > 0 {
		t.Fatalf("a damaged journal says what was on the wire: %+v", r)
	}
	want := []store.Entry{endedCall("b", 4), endedCall("d", 1)}
	for _, e := range r.ended {
		if !slices.ContainsFunc(want, func(w store.Entry) bool { return cmp.Equal(w, e) }) {
			t.Fatalf("a damaged journal says that this ended: %+v", e)
		}
	}
}

// A record that is damaged inside hides nothing of what came after it.
func TestDamagedJournalStillTellsOfEnds(t *testing.T) {
	t.Parallel()
	var ends []int64
	path, content := sampleJournal(t, &ends)
	content[ends[1]-tailSize-1] ^= 4 // of the first record
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := readJournal(path, "owner", "boot")
	if !errors.Is(err, errJournalProvesNothing) || !strings.Contains(err.Error(), path) {
		t.Fatalf("the error does not name the file: %v", err)
	}
	if len(r.ended) != 2 || len(r.sent) != 0 {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct{ owner, boot string }{{"other", "boot"}, {"owner", "later"}} {
		if r, err := readJournal(path, store.OwnerID(c.owner), c.boot); err == nil || r != nil {
			t.Errorf("a damaged journal of owner/boot read as %v: %+v, %v", c, r, err)
		}
	}
}

func TestJournalIsWrittenAnew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "j")
	j, err := createJournal(path, "owner", "boot")
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for i := range uint64(1000) {
		if err := j.sent(i, openHold("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.renew(func(put func(byte, uint64, []byte)) {
		put(recordSent, 7, appendOpen(nil, openHold("kept", 3)))
		put(recordEnded, 8, appendEntry(nil, endedCall("e", 2)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := j.sent(2000, openHold("new", 4)); err != nil {
		t.Fatal(err)
	}
	r, err := readJournal(path, "owner", "boot")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]store.OpenHold{openHold("kept", 3), openHold("new", 4)}, r.sent); d != "" || len(r.ended) != 1 {
		t.Error(d, r.ended)
	}
}

func TestJournalOnAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here:", err)
	}
	path := filepath.Join(t.TempDir(), "j")
	j, err := createJournal(path, "owner", "boot")
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	good := j.f
	j.f = full
	if err := j.sent(1, openHold("refused", 1)); err == nil {
		t.Error("a mark on a full disk was taken for written")
	}
	_ = full.Close()
	j.f, j.broken = good, nil
	if err := j.sent(2, openHold("written", 1)); err != nil {
		t.Fatal(err)
	}
	if r, err := readJournal(path, "owner", "boot"); err != nil || len(r.sent) != 1 || r.sent[0].Call.ID != "written" {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzJournal(f *testing.F) {
	_, content := sampleJournal(f)
	content = bytes.TrimRight(content, "\x00")
	f.Add(content)
	f.Add(content[:len(content)-3])
	f.Add([]byte(journalMagic))
	f.Add(binary.LittleEndian.AppendUint32([]byte(journalMagic), 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseJournal(b)
		if err == nil && r.owner == "" && len(b) < len(journalMagic) {
			t.Fatal("read from nothing")
		}
		_, _ = decodeEntry(b)
		_, _ = decodeOpen(b)
	})
}

func BenchmarkJournalAppend(b *testing.B) {
	j, err := createJournal(filepath.Join(b.TempDir(), "j"), "owner", "boot")
	if err != nil {
		b.Fatal(err)
	}
	defer j.close()
	o := openHold("0198c2f0-0000-7000-8000-000000000000", 5*money.Cent)
	b.ReportAllocs()
	for b.Loop() {
		if err := j.sent(1, o); err != nil {
			b.Fatal(err)
		}
		if j.large(false) {
			b.StopTimer()
			if err := j.renew(func(func(byte, uint64, []byte)) {}); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}
