package usage

import (
	"bytes"
	"strings"
)

// message reads one message of a conversation.
func (r *requestReader) message() error {
	r.req.Messages++
	return r.part()
}

// contents reads a message's content: a text, or a list of parts. each, if not nil, is called before every element of a list.
func (r *requestReader) contents(each func()) error {
	switch r.dec.PeekKind() {
	case '[':
		return r.list(func() error {
			if each != nil {
				each()
			}
			return r.part()
		})
	case '{':
		return r.part()
	default:
		return r.skip()
	}
}

// part is what a message, an item, or a piece of content says of media.
type part struct {
	kind      string
	images    int64 // data URLs
	imageData int64 // their bytes
	audio     int64 // bytes of sound
	format    string
	remote    string // why it is not in the request
	document  string // why its length is not known, though it is
	source    source
}

// source is where an Anthropic block takes its picture or document from.
type source struct {
	kind string
	data int64
}

// deepest is how deep contents are looked into. No API nests them deeper than five.
const deepest = 32

// part reads one object. Its type may come after its content, so the judgement waits for the end. Media count as media only where the API
// reads them as such; the same letters in a text, or in a tool's input, are text.
func (r *requestReader) part() error {
	if r.depth == deepest {
		r.unbounded("contents that are nested too deep to look into")
		return r.skip()
	}
	if passed, err := passEmpty(r.dec); passed {
		return err
	}
	r.depth++
	defer func() { r.depth-- }()
	var p part
	if err := r.object(func(name string) error { return r.partField(name, &p) }); err != nil {
		return err
	}
	switch {
	case p.images > 0:
		r.req.Images += p.images
		if p.kind == "image_url" || p.kind == "input_image" || p.kind == "computer_screenshot" {
			r.req.MediaBytes += p.imageData
		}
	case p.kind == "image_url" || p.kind == "input_image" || p.kind == "image" || p.kind == "computer_screenshot":
		r.req.Images++
	}
	switch {
	case p.audio == 0 || p.kind != "input_audio":
	case steady(p.format):
		r.req.MediaBytes += p.audio
		r.req.AudioBytes += p.audio
	default:
		r.document("sound as " + clip(p.format) + " has a length that is not known")
	}
	switch {
	case p.source.kind == "base64" && p.kind == "image":
		r.req.MediaBytes += p.source.data
	case p.source.kind == "base64":
		r.document("a " + clip(p.kind) + " in base64 has a number of pages that is not known")
	case p.source.kind != "" && p.source.kind != "text" && p.source.kind != "content":
		r.unbounded("a " + clip(p.kind) + " by " + clip(p.source.kind))
	}
	if p.remote != "" {
		r.unbounded(p.remote)
	}
	if p.document != "" {
		r.document(p.document)
	}
	switch p.kind {
	case "item_reference", "container_upload", "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call":
		r.unbounded(p.kind + " refers to text that is not in the request") // what tools of OpenAI's found or made it may keep to itself
	}
	return nil
}

func (r *requestReader) partField(name string, p *part) error {
	switch name {
	case "type":
		if r.dec.PeekKind() != '"' {
			return r.skip()
		}
		return r.text(name, &p.kind)
	case "content", "output":
		return r.contents(nil)
	case "cache_control":
		return r.cacheControl()
	case "prompt_cache_breakpoint":
		return r.cacheOptions()
	case "image_url":
		if r.dec.PeekKind() == '{' {
			return r.object(func(inner string) error {
				if inner == "url" {
					return r.imageURL(p)
				}
				return r.skip()
			})
		}
		return r.imageURL(p)
	case "input_audio":
		return r.object(func(inner string) error {
			if inner == "format" && r.dec.PeekKind() == '"' {
				return r.text(inner, &p.format)
			}
			n, err := r.length()
			if inner == "data" {
				p.audio = n
			}
			return err
		})
	case "source":
		return r.source(p)
	case "file":
		return r.file(p)
	case "file_id", "file_url", "file_data", "video_url", "document_url", "audio_url", "audio":
		there, err := r.present()
		switch {
		case there && name == "file_data":
			p.document = "file_data" + holdsMore
		case there:
			p.remote = strings.TrimSuffix(name, "_id") + holdsMore
		}
		return err
	}
	return r.skip()
}

const holdsMore = " holds more than the request shows"

// file reads a file of a chat completion: its data, or the name of one that was uploaded before.
func (r *requestReader) file(p *part) error {
	if r.dec.PeekKind() != '{' {
		there, err := r.present()
		if there {
			p.remote = "file" + holdsMore
		}
		return err
	}
	inside := false
	err := r.object(func(name string) error {
		there, err := r.present()
		switch {
		case there && name == "file_data":
			inside = true
		case there && name != "filename":
			p.remote = "file" + holdsMore
		}
		return err
	})
	if inside {
		p.document = "file" + holdsMore
	} else {
		p.remote = "file" + holdsMore
	}
	return err
}

// steady reports whether sound of a format has no fewer bytes the less there is to hear: [bytesPerSound] holds for it. Formats that shrink with silence can hold
// hours in a few bytes.
func steady(format string) bool {
	switch strings.ToLower(format) {
	case "", "wav", "x-wav", "wave", "vnd.wave", "mp3", "mpeg", "pcm", "pcm16", "l16", "g711_ulaw", "g711_alaw", "aiff", "x-aiff":
		return true
	}
	return false
}

// imageURL reads a picture: in a data URL, or somewhere else.
func (r *requestReader) imageURL(p *part) error {
	if r.dec.PeekKind() != '"' {
		return r.skip()
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	head := bytes.ReplaceAll(raw[:min(len(raw), 40)], []byte(`\/`), []byte("/"))
	if !bytes.HasPrefix(head, []byte(`"data:image/`)) {
		p.remote = "a picture by its URL"
		return nil
	}
	p.images++
	p.imageData += int64(len(raw)) - 2
	return nil
}

func (r *requestReader) source(p *part) error {
	return r.object(func(name string) error {
		switch name {
		case "type":
			if r.dec.PeekKind() != '"' {
				return r.skip()
			}
			return r.text(name, &p.source.kind)
		case "data":
			n, err := r.length()
			p.source.data = n
			return err
		case "content":
			return r.contents(nil)
		}
		return r.skip()
	})
}

// length skips a string and returns its length as written, 0 for any other value.
func (r *requestReader) length() (int64, error) {
	if r.dec.PeekKind() != '"' {
		return 0, r.skip()
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return 0, err
	}
	return int64(len(raw)) - 2, nil
}

func (r *requestReader) cacheControl() error {
	if r.dec.PeekKind() == 'n' {
		return r.skip()
	}
	r.req.CacheControl = true
	return r.object(func(name string) error {
		if name != "ttl" || r.dec.PeekKind() != '"' {
			return r.skip()
		}
		var ttl string
		err := r.text(name, &ttl)
		r.req.TTL1h = r.req.TTL1h || ttl != "5m"
		return err
	})
}

// cacheOptions reads OpenAI's word on its cache, which newer models write unasked: for 30 minutes, unless a longer time is asked for
// (https://platform.openai.com/docs/guides/prompt-caching).
func (r *requestReader) cacheOptions() error {
	return r.object(func(name string) error {
		if name != "ttl" || r.dec.PeekKind() != '"' {
			return r.skip()
		}
		var ttl string
		err := r.text(name, &ttl)
		r.req.TTL1h = r.req.TTL1h || ttl != "30m"
		return err
	})
}
