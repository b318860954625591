package budget

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"

	"github.com/andres20980/aurea-orchestrator/store"
)

// errJournalProvesNothing: there is no journal, or it is of another start of the machine, or damaged.
var errJournalProvesNothing = errors.New("budget: journal proves nothing")

// replay is what a journal says.
type replay struct {
	owner store.OwnerID
	boot  string
	ended []store.Entry
	sent  []store.OpenHold
}

// readJournal reads the journal that an owner left. Whatever it cannot vouch for is an error: nothing is guessed. With an error there may be
// a replay: then the journal is the owner's and damaged, and the attempts that it says have ended did end so; of others it proves nothing.
func readJournal(path string, owner store.OwnerID, boot string) (*replay, error) {
	if path == "" {
		return nil, fmt.Errorf("%w: none is kept", errJournalProvesNothing)
	}
	b, err := os.ReadFile(path) // #nosec G304 -- the path is made of the folder of the database and a number
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJournalProvesNothing, err)
	}
	r, err := parseJournal(b)
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: %s: %w", errJournalProvesNothing, path, err)
	case r.owner != owner:
		return nil, fmt.Errorf("%w: %s is of owner %s", errJournalProvesNothing, path, r.owner)
	case boot == "" || r.boot != boot:
		return nil, fmt.Errorf("%w: %s was written before the machine last started", errJournalProvesNothing, path)
	case err != nil:
		return r, fmt.Errorf("%w: %s: %w", errJournalProvesNothing, path, err)
	}
	return r, nil
}

// parseJournal reads a whole journal. A record cut short by its writer's death ends it; damage is an error, with the ends that are
// whole all the same.
func parseJournal(b []byte) (*replay, error) {
	r, at, err := parseIdentity(b)
	if err != nil {
		return nil, err
	}
	if len(b) < at+countSize {
		return r, errors.New("cut short before its first record")
	}
	count := binary.LittleEndian.Uint32(b[at:])
	if [countSize]byte(b[at:at+countSize]) != counted(count) {
		err = fmt.Errorf("damaged at byte %d", at)
		count = 0
	}
	at += countSize
	// The last record ends with an end mark, a cut one wherever it was cut.
	b = b[:max(at, len(bytes.TrimRight(b, "\x00")))]
	number, rerr := r.records(b, at)
	if err == nil {
		err = rerr
	}
	if err == nil && number < count {
		err = fmt.Errorf("its last %d of %d records are gone", count-number, count)
	}
	if err != nil {
		r.sent = nil
		return r, err
	}
	return r, nil
}

// records reads the records from a position on, and returns the number of the last one that is whole.
func (r *replay) records(b []byte, at int) (last uint32, err error) {
	open := map[uint64]store.OpenHold{}
	over := map[uint64]bool{} // an end that overtook its mark
	var order []uint64
	for number := uint32(1); at < len(b); number++ {
		rest := b[at:]
		if len(rest) < headSize {
			break // cut within the head
		}
		le := binary.LittleEndian
		if le.Uint32(rest[17:]) != crc32.Checksum(rest[:17], castagnoli) || le.Uint32(rest[13:]) != number {
			return last, errors.Join(err, fmt.Errorf("damaged at byte %d", at)) // nobody knows where the next one begins
		}
		size := headSize + int(le.Uint32(rest)) + tailSize
		if len(rest) < size {
			break // cut before the end mark
		}
		payload := rest[headSize : size-tailSize]
		if le.Uint32(rest[size-tailSize:]) != crc32.Checksum(payload, castagnoli) || rest[size-1] != endMark {
			err = fmt.Errorf("damaged at byte %d", at)
			at += size
			continue
		}
		id := le.Uint64(rest[5:])
		switch kind := rest[4]; kind {
		case recordSent:
			o, derr := decodeOpen(payload)
			if derr != nil {
				return last, derr
			}
			if !over[id] {
				open[id] = o
				order = append(order, id)
			}
		case recordEnded:
			e, derr := decodeEntry(payload)
			if derr != nil {
				return last, derr
			}
			r.ended = append(r.ended, e)
			over[id] = true
			delete(open, id)
		case recordReleased:
			over[id] = true
			delete(open, id)
		default:
			return last, fmt.Errorf("record of unknown kind %d at byte %d", kind, at)
		}
		at += size
		last = number
	}
	order = slices.DeleteFunc(order, func(id uint64) bool { _, there := open[id]; return !there })
	for _, id := range order {
		r.sent = append(r.sent, open[id])
	}
	return last, err
}

func parseIdentity(b []byte) (*replay, int, error) {
	at := len(journalMagic) + 4
	if len(b) < at || string(b[:len(journalMagic)]) != journalMagic {
		return nil, 0, errors.New("not a journal of this version")
	}
	size := int(binary.LittleEndian.Uint32(b[len(journalMagic):]))
	if size < 0 || size > len(b)-at-tailSize {
		return nil, 0, errors.New("damaged identity")
	}
	end := at + size
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) || b[end+4] != endMark {
		return nil, 0, errors.New("damaged identity")
	}
	in := &reader{b: b[at:end]}
	r := &replay{owner: store.OwnerID(in.text()), boot: in.text()}
	if in.bad || len(in.b) > 0 {
		return nil, 0, errRecord
	}
	return r, end + tailSize, nil
}
