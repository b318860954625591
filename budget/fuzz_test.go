package budget

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
)

// A journal with a byte changed or its end cut off says all that it said, or that it is damaged.
func FuzzJournalDamage(f *testing.F) {
	_, content := sampleJournal(f)
	content = bytes.TrimRight(content, "\x00")
	for _, at := range []uint16{0, 4, 9, 20, 40, uint16(len(content) - 1), uint16(len(content) / 2)} {
		f.Add(at, byte(1), uint16(0))
		f.Add(at, byte(0x80), uint16(3))
		f.Add(at, byte(0), at)
	}
	whole, err := parseJournal(content)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint16, change byte, cut uint16) {
		damaged := bytes.Clone(content[:len(content)-int(cut)%(len(content)+1)])
		if len(damaged) > 0 {
			damaged[int(at)%len(damaged)] ^= change
		}
		r, err := parseJournal(damaged)
		if err != nil {
			checkSalvaged(t, r)
			return
		}
		if reflect.DeepEqual(r, whole) {
			return
		}
		t.Fatalf("byte %d changed by %#x, %d cut off: %+v", at, change, cut, r)
	})
}

// What a record is read as is what is written of it.
func FuzzRecords(f *testing.F) {
	f.Add(appendEntry(nil, endedCall("b", 4)))
	f.Add(appendOpen(nil, openHold("a", 5)))
	f.Add(binary.AppendUvarint(nil, 1<<63))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := decodeOpen(b); err == nil {
			if again, err := decodeOpen(appendOpen(nil, o)); err != nil || !reflect.DeepEqual(o, again) {
				t.Fatalf("%+v is written and read as %+v, %v", o, again, err)
			}
		}
		if e, err := decodeEntry(b); err == nil {
			if again, err := decodeEntry(appendEntry(nil, e)); err != nil || !reflect.DeepEqual(e, again) {
				t.Fatalf("%+v is written and read as %+v, %v", e, again, err)
			}
		}
	})
}
