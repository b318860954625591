package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// maxValueDepth bounds the nesting of values RedactMap follows, so that a map that holds itself ends.
const maxValueDepth = 64

// RedactMap returns a deep copy of m in which the value of every sensitive name is "[REDACTED]" and
// every other value is redacted. Names are redacted too; if two become the same, the later ones in
// order get a number. Strings stay strings, numbers and times keep their type unless they must go;
// structs and other types come back as the maps and slices of their JSON form.
func (r *Redactor) RedactMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	return r.object(m, 0)
}

// RedactValue redacts the value of one field as [Redactor.RedactMap] does. It recovers from panics of
// the value's own methods.
func (r *Redactor) RedactValue(name string, v any) any { return r.value(name, v, 0) }

func (r *Redactor) object(m map[string]any, depth int) map[string]any {
	out := make(map[string]any, len(m))
	_, probability := m["logprob"]
	for _, name := range slices.Sorted(maps.Keys(m)) {
		var v any
		if name == "token" && probability {
			v = r.value("", m[name], depth+1)
		} else {
			v = r.value(name, m[name], depth+1)
		}
		out[unused(out, r.Redact(name))] = v
	}
	return out
}

func unused(m map[string]any, name string) string {
	_, taken := m[name]
	for n := 2; taken; n++ {
		try := name + "#" + strconv.Itoa(n)
		if _, taken = m[try]; !taken {
			return try
		}
	}
	return name
}

func (r *Redactor) value(name string, v any, depth int) (out any) {
	if depth > maxValueDepth {
		return Field
	}
	if r.SensitiveName(name) && !empty(v) {
		return Field
	}
	defer func() {
		if p := recover(); p != nil {
			out = r.Redact(fmt.Sprintf("!PANIC: %v", p))
		}
	}()
	switch v := v.(type) {
	case nil, bool, time.Time, time.Duration:
		return v
	case string:
		return r.redactNamed(name, v)
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr:
		return r.numberValue(name, v, fmt.Sprint(v))
	case float32:
		return v
	case float64:
		return r.numberValue(name, v, strconv.FormatFloat(v, 'f', -1, 64))
	case json.Number:
		return r.numberValue(name, v, string(v))
	case map[string]any:
		if v == nil {
			return v
		}
		return r.object(v, depth)
	case []any:
		if v == nil {
			return v
		}
		list := make([]any, len(v))
		for k := range v {
			list[k] = r.value(name, v[k], depth+1)
		}
		return list
	case []string:
		list := slices.Clone(v)
		for k := range list {
			list[k] = r.redactNamed(name, list[k])
		}
		return list
	case map[string]string:
		if v == nil {
			return v
		}
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = e
		}
		m = r.object(m, depth)
		same := make(map[string]string, len(m))
		for k, e := range m {
			same[k], _ = e.(string)
		}
		return same
	case json.RawMessage:
		return json.RawMessage(r.JSON(slices.Clone(v)))
	case []byte:
		return r.AppendRedacted(nil, v)
	case error:
		return r.Redact(v.Error())
	}
	return r.other(name, v, depth)
}

// empty reports values that a sensitive name may keep, because they tell nothing.
func empty(v any) bool {
	switch v := v.(type) {
	case nil, bool:
		return true
	case string:
		return v == ""
	}
	return false
}

// numberValue replaces a number whose decimal digits are a finding.
func (r *Redactor) numberValue(name string, v any, digits string) any {
	if out := r.redactNamed(name, digits); out != digits {
		return out
	}
	return v
}

// other handles types this package does not know through their JSON form.
func (r *Redactor) other(name string, v any, depth int) any {
	doc, err := json.Marshal(v)
	if err != nil {
		if s, ok := v.(fmt.Stringer); ok {
			return r.redactNamed(name, s.String())
		}
		return fmt.Sprintf("!UNREADABLE: %T", v)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return fmt.Sprintf("!UNREADABLE: %T", v)
	}
	return r.value(name, plain, depth+1)
}
