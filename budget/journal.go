package budget

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"

	"github.com/andres20980/aurea-orchestrator/store"
)

// The journal is a file of zeros, written from the front:
//
//	magic, length of the identity, identity (owner, boot id), its checksum, end mark
//	count: how many records were written, a checksum of that
//	records: head (length, kind, hold, number in the file, checksum of these), payload, its checksum, end mark
//
// A hold that was never sent needs no record: whatever is not in the journal is released. So there is one write before a request leaves
// and one after it has ended.
//
// Because the file is never reused but written anew, what follows the last record is zeros, and a record that was cut short by the death
// of its writer can be told from one that was damaged later: the first has nothing but zeros after the cut. Records that were lost whole,
// with the end of the file or to zeros, are missed because of the count, which is written after each record: it is never above their number.
const (
	journalMagic = "AureaJ2\n"
	endMark      = 0xa5
	headSize     = 4 + 1 + 8 + 4 + 4
	tailSize     = 4 + 1
	countSize    = 4 + 4

	recordSent     = 1
	recordEnded    = 2
	recordReleased = 3

	journalZeros = 256 << 10 // written ahead, so that the first records need no space from the disk
	journalLarge = 8 << 20   // then it is written anew
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journal writes one owner's journal. The nil journal keeps none. It is safe for concurrent use.
type journal struct {
	path     string
	identity []byte

	mu     sync.Mutex
	f      *os.File
	page   mapped
	off    int64
	number uint32
	count  int64 // where in the file the count is
	limit  int64 // size at which it is written anew
	broken error // a failed write left bytes that could not be taken back
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// createJournal starts a journal; an empty path means none is kept.
func createJournal(path string, owner store.OwnerID, boot string) (*journal, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // the nil journal keeps none
	}
	j := &journal{path: path, identity: appendText(appendText(nil, string(owner)), boot)}
	return j, j.start(func(func(byte, uint64, []byte)) {})
}

// start writes a new file with the records that fill puts and takes it into use. With j.mu held or unshared.
func (j *journal) start(fill func(put func(kind byte, id uint64, payload []byte))) error {
	b := append([]byte(journalMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(j.identity)))...) // #nosec G115 -- short
	b = append(b, j.identity...)
	b = append(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), endMark)
	count := len(b)
	b = append(b, make([]byte, countSize)...)
	number := uint32(0)
	fill(func(kind byte, id uint64, payload []byte) {
		at := len(b)
		b = append(b, make([]byte, headSize)...)
		b = append(b, payload...)
		number++
		b = seal(b, at, kind, id, number)
	})
	sum := counted(number)
	copy(b[count:], sum[:])
	size := int64(len(b))
	b = append(b, make([]byte, journalZeros)...)
	temp := j.path + ".new"
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	j.shut() // some systems do not rename over an open file
	err := os.Rename(temp, j.path)
	if err == nil {
		j.off, j.number, j.count, j.limit, j.broken = size, number, int64(count), size+journalLarge, nil
	} else {
		err = errors.Join(err, os.Remove(temp))
	}
	f, oerr := os.OpenFile(j.path, os.O_RDWR, 0o600)
	if oerr != nil {
		j.broken = oerr
		return errors.Join(err, oerr)
	}
	j.f, j.page = f, mapFile(f)
	return err
}

// shut closes the file. With j.mu held or unshared.
func (j *journal) shut() {
	if j.f != nil {
		j.page.close()
		_ = j.f.Close()
	}
	j.f = nil
}

// seal fills in the head at the position, where payload follows, and adds the tail.
func seal(b []byte, at int, kind byte, id uint64, number uint32) []byte {
	head := b[at : at+headSize]
	payload := b[at+headSize:]
	le := binary.LittleEndian
	le.PutUint32(head, uint32(len(payload))) // #nosec G115 -- a record is far below 4 GB
	head[4] = kind
	le.PutUint64(head[5:], id)
	le.PutUint32(head[13:], number)
	le.PutUint32(head[17:], crc32.Checksum(head[:17], castagnoli))
	return append(le.AppendUint32(b, crc32.Checksum(payload, castagnoli)), endMark)
}

// sent notes that a hold's request is about to leave.
func (j *journal) sent(id uint64, o store.OpenHold) error {
	return j.add(recordSent, id, func(b []byte) []byte { return appendOpen(b, o) })
}

// ended notes how an attempt ended, with the result that it completes.
func (j *journal) ended(id uint64, e store.Entry) error {
	return j.add(recordEnded, id, func(b []byte) []byte { return appendEntry(b, e) })
}

// released notes that a hold that was about to be sent was not.
func (j *journal) released(id uint64) error {
	return j.add(recordReleased, id, func(b []byte) []byte { return b })
}

func (j *journal) add(kind byte, id uint64, payload func([]byte) []byte) error {
	if j == nil {
		return nil
	}
	buf, _ := buffers.Get().(*[]byte)
	b := payload(append((*buf)[:0], make([]byte, headSize)...))
	defer func() {
		if cap(b) <= 64<<10 {
			*buf = b
			buffers.Put(buf)
		}
	}()
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.broken != nil:
		return j.broken
	case j.f == nil:
		return ErrClosed
	}
	b = seal(b, 0, kind, id, j.number+1)
	if n, err := j.f.WriteAt(b, j.off); err != nil {
		// Take back what was written, so that the file goes on with zeros.
		if _, zerr := j.f.WriteAt(make([]byte, n), j.off); zerr != nil {
			j.broken = fmt.Errorf("%w, and the half-written record stays: %w", err, zerr)
		}
		return err
	}
	j.off += int64(len(b))
	j.number++
	if count := counted(j.number); !j.page.store(count, j.count) {
		_, _ = j.f.WriteAt(count[:], j.count) // a count that is too low says less, and nothing that is wrong
	}
	return nil
}

// counted is a number of records as the count is written.
func counted(number uint32) (b [countSize]byte) {
	binary.LittleEndian.PutUint32(b[:], number)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[:4], castagnoli))
	return b
}

// large reports whether the journal should be written anew; where all it says is in the store, a small one is large.
func (j *journal) large(allKnown bool) bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken != nil || j.f != nil && (j.off >= j.limit || allKnown && j.off > 2*journalZeros)
}

// renew writes the journal anew with only the records that fill puts. On an error the old one stays in use, and the next try comes when
// it has grown by as much again.
func (j *journal) renew(fill func(put func(kind byte, id uint64, payload []byte))) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil && j.broken == nil {
		return nil
	}
	err := j.start(fill)
	if err != nil {
		j.limit = j.off + journalLarge
	}
	return err
}

// close stops writing; the file stays.
func (j *journal) close() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shut()
	j.broken = nil
}
