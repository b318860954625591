package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"modernc.org/sqlite"

	"github.com/andres20980/aurea-orchestrator/store"
)

// SQLite does not notice a byte of a value that the disk gave back changed. So every row that matters carries a checksum of what is
// in it, crc, which is computed by the statement that writes the row and compared by every statement that reads it.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func init() {
	sqlite.MustRegisterFunction("aurea_sum", &sqlite.FunctionImpl{NArgs: -1, Deterministic: true, VolatileArgs: true, Scalar: rowSum})
}

// rowSum is the SQL function aurea_sum: the CRC-32C of its arguments, their types and their lengths. Migrations and
// databases depend on it: it never changes.
func rowSum(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
	var head [9]byte
	sum := uint32(0)
	for _, arg := range args {
		switch v := arg.(type) {
		case int64:
			head[0] = 'i'
			binary.LittleEndian.PutUint64(head[1:], uint64(v)) // #nosec G115 -- the bits
			sum = crc32.Update(sum, castagnoli, head[:])
		case string:
			head[0] = 't'
			binary.LittleEndian.PutUint64(head[1:], uint64(len(v)))
			sum = crc32.Update(sum, castagnoli, head[:])
			for len(v) > 0 { // in pieces on the stack: a text is not copied to the heap
				var piece [512]byte
				n := copy(piece[:], v)
				sum = crc32.Update(sum, castagnoli, piece[:n])
				v = v[n:]
			}
		case []byte:
			head[0] = 'b'
			binary.LittleEndian.PutUint64(head[1:], uint64(len(v)))
			sum = crc32.Update(sum, castagnoli, head[:])
			sum = crc32.Update(sum, castagnoli, v)
		case nil:
			sum = crc32.Update(sum, castagnoli, []byte{'n'})
		default:
			return nil, fmt.Errorf("aurea_sum: a value of type %T", v)
		}
	}
	return int64(sum), nil
}

// summed are the columns of each table that its checksum covers: all but numbers that SQLite gives by itself.
var summed = map[string][]string{
	"tally": {"name", "commits"},
	"counter": {
		"account", "window_start", "limit_dollars", "limit_pico", "closed", "committed_dollars", "committed_pico", "spent_dollars",
		"spent_pico", "doubt_dollars", "doubt_pico", "wanted_until",
	},
	"owner": {"id", "epoch", "state", "pid", "host", "boot_id", "joined", "died"},
	"lease": {"owner", "counter", "seq", "granted", "spent"},
	"call": {
		"call", "attempt", "job", "path", "item", "provider", "model", "upstream", "api", "status", "outcome", "error", "input_tokens",
		"cache_read", "cache_write", "output_tokens", "reasoning", "cost", "doubt", "bound", "bound_kind", "price_hash", "price_from",
		"request_id", "started", "ended", "own",
	},
	"doubt": {"owner", "counter", "call", "attempt", "amount", "since", "job", "provider", "model", "upstream", "started"},
	"job": {
		"id", "parent", "state", "reason", "batch", "simulated", "source", "fingerprint", "runner", "created", "updated", "pii", "detached", "pending",
		"running", "done", "failed",
	},
	"item":      {"id", "job", "custom_id", "lane", "state", "owner", "attempt", "tries", "not_before"},
	"item_body": {"id", "url", "body"},
	"result":    {"id", "status", "request_id", "error_code", "error_text", "truncated", "call", "finished", "body"},
	"day_use":   {"model", "day", "requests", "tokens"},
	"trail":     {"at", "actor", "remote", "action", "subject", "before_value", "after_value", "outcome"},
}

// soundAt is sound in a database whose schema is an older one: what was there then is what a checksum covers.
func soundAt(table string, schema int64) string {
	values := summed[table]
	if table == "doubt" && schema < 4 {
		values = values[:slices.Index(values, "upstream")]
	}
	if table == "call" && schema < 5 {
		values = values[:slices.Index(values, "own")]
	}
	if table == "job" {
		values = slices.DeleteFunc(slices.Clone(values), func(name string) bool { return name == "pii" && schema < 7 || name == "detached" && schema < 9 })
	}
	return "(crc = " + sumOf(table, values) + ")"
}

func sumOf(table string, values []string) string {
	return "aurea_sum('" + table + "', " + strings.Join(values, ", ") + ")"
}

// sound is a condition on a row of a table: its checksum is that of its values.
func sound(table string) string { return "(crc = " + sumOf(table, summed[table]) + ")" }

// soundAs is sound where the table has an alias.
func soundAs(table, alias string) string {
	values := slices.Clone(summed[table])
	for i := range values {
		values[i] = alias + "." + values[i]
	}
	return "(" + alias + ".crc = " + sumOf(table, values) + ")"
}

// insertRow writes a row of all summed columns, in their order, from parameters.
func insertRow(table, more string) string {
	values := make([]string, len(summed[table]))
	for i := range values {
		values[i] = "?" + strconv.Itoa(i+1)
	}
	return insertValues(table, summed[table], values, more)
}

func insertValues(table string, columns, values []string, more string) string {
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ", crc) VALUES (" + strings.Join(values, ", ") + ", " +
		sumOf(table, values) + ") " + more
}

// insertSummed writes a row of all summed columns, in their order, from parameters; the last one is the checksum, by [tx.withSum]. A function that SQL calls costs a third of
// such a row. Parameters without numbers are bound without a search for their names.
func insertSummed(table, more string) string {
	columns := summed[table]
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ", crc) VALUES (?" + strings.Repeat(", ?", len(columns)) + ") " + more
}

// withSum adds to the values of a row, which are int64 and string, the checksum that aurea_sum has for them.
func (t *tx) withSum(table string, values []any) []any {
	b := appendText(t.s.scratch[:0], table)
	for _, v := range values {
		switch v := v.(type) {
		case int64:
			b = binary.LittleEndian.AppendUint64(append(b, 'i'), uint64(v)) // #nosec G115 -- the bits
		case string:
			b = appendText(b, v)
		}
	}
	t.s.scratch = b
	return append(values, int64(crc32.Checksum(b, castagnoli)))
}

func appendText(b []byte, text string) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, 't'), uint64(len(text)))
	return append(b, text...)
}

// change is an UPDATE. set holds columns and their new values in turn; parameters are numbered. A row that is damaged stays so: it
// gets a checksum that no row has.
func change(table, where string, set ...string) string {
	values := slices.Clone(summed[table])
	var b strings.Builder
	for i := 0; i < len(set); i += 2 {
		fmt.Fprintf(&b, "%s = %s, ", set[i], set[i+1])
		values[slices.Index(values, set[i])] = set[i+1]
	}
	return "UPDATE " + table + " SET " + b.String() + "crc = iif(" + sound(table) + ", " + sumOf(table, values) + ", -1) WHERE " + where
}

// intact scans what sound says of a row of a table. NULL is a row that should be there and is not.
type intact string

func (table intact) Scan(v any) error {
	switch v {
	case int64(1):
		return nil
	case nil:
		return &store.DamageError{Found: "a row of table " + string(table) + " is missing"}
	}
	return &store.DamageError{Found: "a row of table " + string(table) + " does not have the checksum it was written with"}
}
