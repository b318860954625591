package budget

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
)

// The payloads of journal records: fields one after the other, numbers as varints, texts with their length. A change of
// the layout is a change of journalMagic.

var errRecord = errors.New("budget: journal: record does not decode")

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	b = binary.AppendVarint(append(b, 1), t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond())) // #nosec G115 -- 0…999,999,999
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendCall(b []byte, c *store.Call) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Path)))
	for _, id := range c.Path {
		b = binary.AppendVarint(b, int64(id))
	}
	for _, s := range [...]string{
		c.ID, c.Job, c.Provider, c.Model, c.Upstream, c.API, c.Outcome, c.Error, c.BoundKind, c.PriceHash, c.PriceFrom, c.RequestID,
	} {
		b = appendText(b, s)
	}
	for _, n := range [...]int64{
		int64(c.Attempt), c.Item, int64(c.Status), c.InputTokens, c.CacheReadTokens, c.CacheWriteTokens, c.OutputTokens, c.ReasoningTokens,
		int64(c.Cost), int64(c.Doubt), int64(c.Bound),
	} {
		b = binary.AppendVarint(b, n)
	}
	b = appendTime(b, c.Started)
	if c.Own > 0 {
		b = binary.AppendVarint(append(b, ownFollows), int64(c.Own))
	}
	return appendTime(b, c.Ended)
}

// ownFollows stands where a time begins, which is with 0 or 1: Own comes first. A journal of before there was one is read the same.
const ownFollows = 2

func appendOpen(b []byte, o store.OpenHold) []byte {
	return binary.AppendVarint(appendCall(b, &o.Call), int64(o.Amount))
}

func appendEntry(b []byte, e store.Entry) []byte {
	b = appendCall(b, &e.Call)
	b = appendBool(b, e.Completion != nil)
	if c := e.Completion; c != nil {
		b = appendText(appendText(b, c.Job), string(c.State))
		b = binary.AppendVarint(binary.AppendVarint(b, c.Seq), int64(c.Attempt))
		b = appendBool(appendTime(b, c.NotBefore), c.Tried)
		b = appendBool(b, c.Result != nil)
		if r := c.Result; r != nil {
			b = binary.AppendVarint(binary.AppendVarint(b, r.Seq), int64(r.Status))
			for _, s := range [...]string{r.CustomID, r.RequestID, r.ErrorCode, r.ErrorText, r.CallID} {
				b = appendText(b, s)
			}
			b = appendBool(b, r.Body != nil)
			b = append(binary.AppendUvarint(b, uint64(len(r.Body))), r.Body...)
			b = appendTime(appendBool(b, r.Truncated), r.FinishedAt)
		}
	}
	return b
}

// A reader takes a payload apart. After the first field that does not decode, bad stays true and all fields are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) small() int {
	v := r.int()
	if v > math.MaxInt32 || v < math.MinInt32 {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *reader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) bool() bool {
	switch v := r.uint(); v {
	case 0:
	case 1:
		return true
	default:
		r.fail()
	}
	return false
}

func (r *reader) time() time.Time {
	if !r.bool() {
		return time.Time{}
	}
	sec, nano := r.int(), r.uint()
	if nano >= 1e9 {
		r.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nano)).UTC()
}

func (r *reader) money() money.USD {
	v := money.USD(r.int())
	if v < 0 {
		r.fail()
		return 0
	}
	return v
}

func (r *reader) call() (c store.Call) {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return c
	}
	for range n {
		c.Path = append(c.Path, store.CounterID(r.int()))
	}
	for _, s := range [...]*string{
		&c.ID, &c.Job, &c.Provider, &c.Model, &c.Upstream, &c.API, &c.Outcome, &c.Error, &c.BoundKind, &c.PriceHash, &c.PriceFrom, &c.RequestID,
	} {
		*s = r.text()
	}
	c.Attempt, c.Item, c.Status = r.small(), r.int(), r.small()
	for _, p := range [...]*int64{&c.InputTokens, &c.CacheReadTokens, &c.CacheWriteTokens, &c.OutputTokens, &c.ReasoningTokens} {
		*p = r.int()
	}
	c.Cost, c.Doubt, c.Bound = r.money(), r.money(), r.money()
	c.Started = r.time()
	if len(r.b) > 0 && r.b[0] == ownFollows {
		r.b = r.b[1:]
		c.Own = r.money()
	}
	c.Ended = r.time()
	return c
}

func decodeOpen(b []byte) (store.OpenHold, error) {
	r := &reader{b: b}
	o := store.OpenHold{Call: r.call(), Amount: r.money()}
	if r.bad || len(r.b) > 0 {
		return store.OpenHold{}, errRecord
	}
	return o, nil
}

func decodeEntry(b []byte) (store.Entry, error) {
	r := &reader{b: b}
	e := store.Entry{Call: r.call()}
	if r.bool() {
		c := &store.Completion{Job: r.text(), State: store.ItemState(r.text()), Seq: r.int(), Attempt: r.small(), NotBefore: r.time(), Tried: r.bool()}
		if e.Completion = c; r.bool() {
			x := &store.Result{Seq: r.int(), Status: r.small()}
			for _, s := range [...]*string{&x.CustomID, &x.RequestID, &x.ErrorCode, &x.ErrorText, &x.CallID} {
				*s = r.text()
			}
			there := r.bool()
			if body := r.bytes(); there {
				x.Body = body
			}
			x.Truncated, x.FinishedAt = r.bool(), r.time()
			c.Result = x
		}
	}
	if r.bad || len(r.b) > 0 {
		return store.Entry{}, errRecord
	}
	return e, nil
}
