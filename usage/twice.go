package usage

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

func errTwice(name string) error {
	return fmt.Errorf("the body has the name %q twice in one object", clip(name))
}

var errTwiceSomewhere = errors.New("the body has a name twice in one large object")

// look looks for names that are there twice in an object of the list or object that data begins with, and for nesting deeper than deepestBody. It reads brackets and
// the names and nothing else, and what is no JSON it reads somehow: that is found by whoever reads it next.
func (d *distinct) look(data []byte) error {
	objects := d.objects[:0] // for each that is open, where its names begin in d.open; −1 for a list
	from := -1               // of the innermost
	defer func() { d.objects = objects }()
	base := len(d.open)
	defer func() { d.open = d.open[:base] }()
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(objects) >= deepestBody {
				return errTooDeep
			}
			if from = -1; data[i] == '{' {
				from = len(d.open)
			}
			objects = append(objects, from)
		case '}', ']':
			if from >= 0 {
				if !d.large(from) {
					return errTwiceSomewhere
				}
				d.open = d.open[:from]
			}
			if len(objects) <= 1 {
				return nil
			}
			objects = objects[:len(objects)-1]
			from = objects[len(objects)-1]
		case '"':
			end := endOfText(data, i)
			if from >= 0 && named(data, end) && !d.note(from, data[i+1:end]) {
				return errTwice(plainName(data[i : end+1]))
			}
			i = end
		}
	}
	return nil
}

// named reports whether the text that ends at end is a name, which a colon follows.
func named(data []byte, end int) bool {
	for end++; end < len(data); end++ {
		switch data[end] {
		case ':':
			return true
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return false
}

// note keeps a name of the object that begins at from, and reports whether it is new among the first few.
func (d *distinct) note(from int, name []byte) bool {
	var sum uint64
	if bytes.IndexByte(name, '\\') < 0 {
		sum = maphash.Bytes(nameSeed, name) | 1
	} else {
		var short [66]byte
		quoted := append(append(append(short[:0], '"'), name...), '"')
		sum = maphash.String(nameSeed, plainName(quoted)) | 1
	}
	if own := d.open[from:]; len(own) < fewNames && slices.Contains(own, sum) {
		return false
	}
	d.open = append(d.open, sum)
	return true
}

// large reports whether the names of an object that has ended are all different, if they were too many to be looked through as they came. It may change their order.
func (d *distinct) large(from int) bool {
	own := d.open[from:]
	if len(own) <= fewNames {
		return true
	}
	slices.Sort(own)
	for i, sum := range own[1:] {
		if sum == own[i] {
			return false
		}
	}
	return true
}

// plainName is a name as it is meant; as it is written if it is none.
func plainName(quoted []byte) string {
	b, err := jsontext.AppendUnquote(nil, quoted)
	if len(b) == 0 && err != nil {
		return string(quoted)
	}
	return string(b)
}
