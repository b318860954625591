package logging

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// maxDepth bounds groups inside groups: a LogValuer may return itself in a group for ever.
const maxDepth = 32

// NewHandler returns a handler that redacts messages and attributes and passes them to inner. With r nil
// it masks credentials and personal data. Time, level and source of the record stay as they are. It is
// as safe for concurrent use as inner.
func NewHandler(inner slog.Handler, r *redact.Redactor) slog.Handler {
	if r == nil {
		r = redact.Default()
	}
	return &handler{inner: inner, r: r, names: new(names)}
}

// harmless is the least number that could be somebody's: none of a telephone, a card or a person has fewer than seven digits.
const harmless = 1_000_000

type handler struct {
	inner slog.Handler
	r     *redact.Redactor
	names *names
	// sealed is set inside a group whose name is sensitive: every value there is masked whole.
	sealed bool
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	message, few := h.r.Redact(rec.Message), [24]slog.Attr{}
	attrs, same := few[:0], message == rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		clean := h.attr(a, 0)
		same = same && clean.Key == a.Key && unchanged(clean.Value, a.Value)
		attrs = append(attrs, clean)
		return true
	})
	if same { // as it is nearly always
		return h.inner.Handle(ctx, rec)
	}
	out := slog.NewRecord(rec.Time, rec.Level, message, rec.PC)
	out.AddAttrs(attrs...)
	return h.inner.Handle(ctx, out)
}

// unchanged reports that redaction left a value as it was, for kinds that have no methods.
func unchanged(clean, v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool, slog.KindDuration, slog.KindTime:
		return clean.Equal(v)
	default:
		return false
	}
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	clean := make([]slog.Attr, len(attrs))
	for k, a := range attrs {
		clean[k] = h.attr(a, 0)
	}
	return &handler{inner: h.inner.WithAttrs(clean), r: h.r, names: h.names, sealed: h.sealed}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{inner: h.inner.WithGroup(h.r.Redact(name)), r: h.r, names: h.names, sealed: h.sealed || h.r.SensitiveName(name)}
}

// attr returns the redacted form of a. The inner handler finds plain values only: nothing in them has
// methods left that could say more when they are printed.
func (h *handler) attr(a slog.Attr, depth int) slog.Attr {
	if a.Equal(slog.Attr{}) {
		return a // handlers leave it out
	}
	v := resolve(a.Value)
	name := h.names.look(h.r, a.Key)
	a.Key, a.Value = name.clean, h.value(a.Key, name.sensitive, v, depth)
	return a
}

// value returns the redacted form of a value, under a name that may be sensitive.
func (h *handler) value(name string, sensitive bool, v slog.Value, depth int) slog.Value {
	if depth > maxDepth {
		return slog.StringValue(redact.Field)
	}
	if h.sealed && v.Kind() != slog.KindGroup || sensitive {
		if empty(v) {
			return v
		}
		return slog.StringValue(redact.Field)
	}
	switch v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindTime:
		return v
	case slog.KindString:
		return h.plain(name, v, v.String())
	case slog.KindInt64:
		if n := v.Int64(); -harmless < n && n < harmless {
			return v
		}
		return h.number(name, v, strconv.FormatInt(v.Int64(), 10))
	case slog.KindUint64:
		if v.Uint64() < harmless {
			return v
		}
		return h.number(name, v, strconv.FormatUint(v.Uint64(), 10))
	case slog.KindFloat64:
		return h.number(name, v, strconv.FormatFloat(v.Float64(), 'f', -1, 64))
	case slog.KindGroup:
		attrs := v.Group()
		clean := make([]slog.Attr, len(attrs))
		for k, a := range attrs {
			clean[k] = h.attr(a, depth+1)
		}
		return slog.GroupValue(clean...)
	}
	return h.any(name, v.Any(), depth)
}

// empty reports values that a sensitive name may keep, because they tell nothing, and groups without
// members, which handlers leave out.
func empty(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return v.String() == ""
	case slog.KindBool:
		return true
	case slog.KindGroup:
		return len(v.Group()) == 0
	case slog.KindAny:
		return v.Any() == nil
	}
	return false
}

func (h *handler) plain(name string, v slog.Value, text string) slog.Value {
	if clean := h.r.RedactText(name, text); clean != text {
		return slog.StringValue(clean)
	}
	return v
}

// number masks a number whose digits are a finding; others keep their type.
func (h *handler) number(name string, v slog.Value, digits string) slog.Value {
	if clean := h.r.RedactText(name, digits); clean != digits {
		return slog.StringValue(clean)
	}
	return v
}

// any turns a value of any type into one without methods: text for what says its own text, JSON for the
// rest.
func (h *handler) any(name string, v any, depth int) (out slog.Value) {
	defer func() {
		if p := recover(); p != nil {
			out = slog.StringValue(h.panicked(p))
		}
	}()
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case slog.Attr:
		return slog.GroupValue(h.attr(v, depth+1))
	case slog.Value:
		return h.value(name, h.names.look(h.r, name).sensitive, resolve(v), depth+1)
	case error:
		return h.text(name, v.Error())
	case []error:
		list := make([]string, len(v))
		for k, err := range v {
			list[k] = h.any(name, err, depth+1).String()
		}
		return slog.AnyValue(list)
	case json.RawMessage:
		return h.raw(slices.Clone(v)) // the caller may reuse its bytes before a handler that queues has written them
	case json.Number:
		return h.number(name, slog.AnyValue(v), v.String())
	case map[string]any, []any:
		return h.document(h.r.RedactValue(name, v))
	case []byte:
		return h.text(name, string(v))
	case fmt.Stringer:
		return h.text(name, v.String())
	}
	return h.document(v)
}

// document turns v into its JSON form.
func (h *handler) document(v any) slog.Value {
	doc, err := json.Marshal(v)
	if err != nil {
		return slog.StringValue(fmt.Sprintf("!UNREADABLE: %T", v))
	}
	if len(doc) > 0 && doc[0] == '"' { // a MarshalText or a named string
		var text string
		if json.Unmarshal(doc, &text) == nil {
			return h.text("", text)
		}
	}
	return h.raw(doc)
}

func (h *handler) text(name, text string) slog.Value {
	return slog.StringValue(h.r.RedactText(name, text))
}

// raw passes JSON on as JSON, and as text what only claims to be.
func (h *handler) raw(doc []byte) slog.Value {
	clean := h.r.JSON(doc)
	if !json.Valid(clean) {
		return slog.StringValue(string(clean))
	}
	return slog.AnyValue(document(clean))
}

// document is JSON that prints as such in every handler, not as the list of its bytes.
type document []byte

func (d document) MarshalJSON() ([]byte, error) { return d, nil }
func (d document) MarshalText() ([]byte, error) { return d, nil }
func (d document) String() string               { return string(d) }

// panicked describes a panic of a value that was asked for its text. A nil pointer behind an interface
// is the usual cause.
func (h *handler) panicked(p any) (text string) {
	defer func() {
		if recover() != nil {
			text = "!PANIC"
		}
	}()
	return h.r.Redact(fmt.Sprintf("!PANIC: %v", p))
}

// resolve asks a LogValuer for its value. For one that panics slog returns an error with the stack, of
// which only the fact is kept: stacks belong to no log line.
func resolve(v slog.Value) slog.Value {
	if v.Kind() != slog.KindLogValuer {
		return v
	}
	typ := fmt.Sprintf("%T", v.Any())
	v = v.Resolve()
	if v.Kind() == slog.KindAny {
		if err, ok := v.Any().(error); ok && panickedInSlog(err) {
			return slog.StringValue("!PANIC: LogValue of " + typ)
		}
	}
	return v
}

func panickedInSlog(err error) (yes bool) {
	defer func() { _ = recover() }() // an error of the caller's that panics itself is handled later
	return strings.HasPrefix(err.Error(), "LogValue panicked\n")
}
