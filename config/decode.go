package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader decodes one YAML file and collects every mistake in it.
type reader struct {
	file   string // as errors name it
	place  place
	env    lookup
	wraps  wrapping
	errs   Errors
	lines  map[string]int // key → line, of every key that was read
	inUse  map[*yaml.Node]bool
	unsets map[string]string // key of a secret → the variable it names, where that is not set
	merges int
}

// value is a node and the key that leads to it.
type value struct {
	key  string
	node *yaml.Node
	line int
}

// field is one key of a mapping and what reads its value.
type field struct {
	name  string
	read  func(*reader, value)
	sub   []field // the keys below it
	below string  // what stands between name and theirs
}

// parse returns the root of a YAML document, nil for an empty one.
func (r *reader) parse(source []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(r.wraps.wrap(source)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err, source)
		}
		return nil
	}
	if err := dec.Decode(&more); err == nil {
		r.fail(value{line: more.Line}, "has a second document", "keep everything in one, without a --- line between")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err, source)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// fromGrammar matches the messages of the parser's second stage, which counts lines from 0 where the
// first, the scanner, counts from 1.
var fromGrammar = regexp.MustCompile(`^did not find expected (node content|',' or|key|'-' indicator|<)`)

// syntax reports an error of the YAML parser. Its only messages with a piece of the file in them are
// about aliases, and that piece may be a secret.
func (r *reader) syntax(err error, source []byte) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	v := value{line: 1}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		v.line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
		if fromGrammar.MatchString(text) {
			v.line++
		}
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		if at := bytes.Index(source, []byte("*"+name)); at >= 0 {
			v.line = 1 + bytes.Count(source[:at], []byte("\n"))
		}
		r.fail(v, "is not valid YAML: a * at the beginning of a word refers to an anchor, and there is none of that name", `put a name that begins with * in quotes, as in "*-mini"`)
		return
	}
	if at := strings.IndexAny(text, "'\"`"); at >= 0 && !strings.HasPrefix(text, "did not find expected") && !strings.HasPrefix(text, "could not find expected") {
		text = strings.TrimSpace(text[:at]) + "…"
	}
	r.fail(v, "is not valid YAML: "+text, "look at this line and the one before it: indentation, colons with a blank behind them, closing quotes and brackets")
}

// fail records a mistake.
func (r *reader) fail(v value, problem, hint string) {
	r.errs = append(r.errs, &Error{Source: r.file, Line: v.line, Key: v.key, Problem: problem, Hint: hint, rank: rankFile})
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// pair is one key of a mapping with its value.
type pair struct {
	name     string
	value    value
	keyLine  int
	explicit bool // not merged in by <<
}

// pairs returns the keys of a mapping in order, those merged in by "<<" last. A missing value counts
// as an empty mapping, so that a section whose keys are all commented out is no mistake.
func (r *reader) pairs(v value) []pair {
	n := resolve(v.node)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(v, "is "+kindOf(n)+", where a group of keys belongs", "write the keys below it, indented, each as KEY: VALUE with a blank after the colon")
		return nil
	}
	if r.inUse[n] {
		r.fail(v, "contains itself", "take the alias out")
		return nil
	}
	r.inUse[n] = true
	defer delete(r.inUse, n)
	var out, merged []pair
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := resolve(n.Content[i]), n.Content[i+1]
		line := n.Content[i].Line
		if key.Kind != yaml.ScalarNode {
			r.fail(value{key: v.key, line: line}, "has "+kindOf(key)+" for a key", "write a name")
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, r.merge(value{v.key, val, line})...)
			continue
		}
		name := r.wraps.unwrap(key.Value)
		if first, twice := seen[name]; twice {
			r.fail(value{key: join(v.key, showKey(name)), line: line}, fmt.Sprintf("is there twice, first in line %d", first), "keep one of the two")
			continue
		}
		seen[name] = line
		out = append(out, pair{name, value{join(v.key, name), val, line}, line, true})
	}
	for _, p := range merged {
		if _, own := seen[p.name]; !own {
			seen[p.name] = p.keyLine
			p.value.key = join(v.key, p.name)
			out = append(out, p)
		}
	}
	return out
}

// merge returns the keys that "<<" brings in: those of one mapping, or of several.
func (r *reader) merge(v value) []pair {
	const enough = 1000 // aliases within aliases multiply
	if r.merges++; r.merges > enough {
		if r.merges == enough+1 {
			r.fail(v, "merges too much", "write the keys out")
		}
		return nil
	}
	n := resolve(v.node)
	if n.Kind != yaml.SequenceNode {
		return r.pairs(value{v.key, n, v.line})
	}
	var out []pair
	for _, item := range n.Content {
		out = append(out, r.pairs(value{v.key, item, v.line})...)
	}
	return out
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// mapping reads the fields of a mapping; other keys are mistakes.
func (r *reader) mapping(v value, fields []field) {
	for _, p := range r.pairs(v) {
		known := false
		for _, f := range fields {
			if f.name == p.name {
				r.lines[p.value.key] = p.keyLine
				f.read(r, p.value)
				known = true
				break
			}
		}
		if !known {
			r.unknown(v, p, fields)
		}
	}
}

// unknown reports a key that does not belong where it stands.
func (r *reader) unknown(parent value, p pair, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	hint := "known here: " + strings.Join(names, ", ")
	if near := nearest(p.name, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if other, ok := synonyms[p.name]; ok {
		hint = "did you mean " + other + "?"
	} else if elsewhere := placesOf(p.name); len(elsewhere) > 0 {
		hint = "did you mean " + strings.Join(elsewhere, " or ") + "?"
	} else if strings.Contains(p.name, ":") {
		hint = "write a blank after the colon"
	}
	r.fail(value{key: join(parent.key, showKey(p.name)), line: p.keyLine}, "there is no such key", hint)
}

// entries reads a mapping whose keys are names of the operator's own.
func (r *reader) entries(v value, read func(name string, v value)) {
	for _, p := range r.pairs(v) {
		switch {
		case strings.Contains(p.name, "${"):
			r.fail(value{key: v.key, line: p.keyLine}, "has a ${…} in a name", "variables stand for values only; write the name itself")
		case p.name == "" || strings.TrimSpace(p.name) != p.name || looksSecret(p.name):
			r.fail(value{key: v.key, line: p.keyLine}, "has a name that is empty, has blanks around it or looks like a key", "write the name of the entry")
		default:
			r.lines[p.value.key] = p.keyLine
			read(p.name, p.value)
		}
	}
}

// items returns the elements of a list. A missing value counts as an empty list.
func (r *reader) items(v value) []value {
	n := resolve(v.node)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(v, "is "+kindOf(n)+", where a list belongs", "write [first, second], or one \"- item\" per line below it")
		return nil
	}
	out := make([]value, len(n.Content))
	for i, item := range n.Content {
		out[i] = value{fmt.Sprintf("%s[%d]", v.key, i), item, item.Line}
	}
	return out
}
