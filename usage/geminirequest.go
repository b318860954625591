package usage

import (
	"fmt"
	"strings"
	"unicode"
)

// geminiField reads a field of a request of Gemini's (https://ai.google.dev/api/generate-content#request-body). The model, and whether the answer is
// streamed, are in its URL. Google's readers take names in camelCase and in snake_case.
func (r *requestReader) geminiField(name string) error {
	switch camel(name) {
	case "model":
		return r.text(name, &r.req.Model)
	case "contents":
		if r.dec.PeekKind() == '{' {
			return r.content()
		}
		return r.list(r.content)
	case "systemInstruction":
		return r.content()
	case "tools":
		return r.list(r.geminiTool)
	case "generationConfig":
		return r.object(r.generationField)
	case "serviceTier":
		return r.geminiTier(name)
	case "cachedContent":
		there, err := r.present()
		if there {
			r.unbounded("cachedContent refers to text that is not in the request")
		}
		return err
	}
	return r.skip()
}

// camel turns a name in snake_case into the other spelling.
func camel(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	var b strings.Builder
	upper := false
	for i, c := range name {
		if c == '_' && i > 0 {
			upper = true
			continue
		}
		if upper {
			c, upper = unicode.ToUpper(c), false
		}
		b.WriteRune(c)
	}
	return b.String()
}

func (r *requestReader) geminiTier(name string) error {
	var tier string
	err := r.text(name, &tier)
	if tier, _ = tierOf(tier); tier != "" {
		r.req.Tier = tier
	}
	return err
}

// content reads one turn of the conversation.
func (r *requestReader) content() error {
	r.req.Messages++
	return r.object(func(name string) error {
		if name != "parts" {
			return r.skip()
		}
		if r.dec.PeekKind() == '{' {
			return r.geminiPart()
		}
		return r.list(r.geminiPart)
	})
}

func (r *requestReader) geminiPart() error {
	if r.depth == deepest {
		r.unbounded("parts that are nested too deep to look into")
		return r.skip()
	}
	r.depth++
	defer func() { r.depth-- }()
	return r.object(func(name string) error {
		switch camel(name) {
		case "inlineData":
			return r.inlineData()
		case "fileData":
			there, err := r.present()
			if there {
				r.unbounded("fileData holds more than the request shows")
			}
			return err
		case "functionResponse": // may hold parts of its own
			return r.object(func(inner string) error {
				if inner == "parts" {
					return r.list(r.geminiPart)
				}
				return r.skip()
			})
		}
		return r.skip()
	})
}

// inlineData reads media in base64. Base64 of text is longer than the text and counts as it stands.
func (r *requestReader) inlineData() error {
	var kind string
	var size int64
	there := false
	err := r.object(func(name string) error {
		there = true
		switch camel(name) {
		case "mimeType":
			return r.text(name, &kind)
		case "data":
			n, err := r.length()
			size = n
			return err
		}
		return r.skip()
	})
	family, format, _ := strings.Cut(strings.ToLower(kind), "/")
	format, _, _ = strings.Cut(format, ";")
	switch {
	case err != nil || !there:
	case family == "image":
		r.req.Images++
		r.req.MediaBytes += size
	case family == "audio" && steady(format):
		r.req.MediaBytes += size
		r.req.AudioBytes += size
	case family != "text":
		r.document("a file of type " + clip(kind) + " in base64 has a length that is not known")
	}
	return err
}

// geminiTool reads one entry of the tools: functions of the caller's, or tools that Google runs, by name.
func (r *requestReader) geminiTool() error {
	return r.object(func(name string) error {
		switch kind := camel(name); kind {
		case "functionDeclarations":
			return r.list(func() error { r.req.Tools++; return r.skip() })
		case "computerUse":
			r.req.Tools++
			r.req.BuiltinTools++
			return r.skip()
		default:
			there, err := r.present()
			if !there || err != nil {
				return err
			}
			r.req.Tools++
			r.server("tool "+clip(kind), -1)
			switch kind {
			case "googleSearch", "googleSearchRetrieval", "enterpriseWebSearch", "googleMaps":
				r.req.WebSearches++
			}
			return nil
		}
	})
}

func (r *requestReader) generationField(name string) error {
	switch kind := camel(name); kind {
	case "maxOutputTokens":
		n, ok, err := r.whole(name, 0)
		if ok {
			r.caps = append(r.caps, n)
		}
		return err
	case "candidateCount":
		n, ok, err := r.whole(name, 0)
		if ok {
			r.n = max(r.n, n)
		}
		return err
	case "responseSchema", "responseJsonSchema", "responseMimeType":
		return r.structured()
	case "responseModalities":
		return r.list(func() error {
			var kind string
			if r.dec.PeekKind() != '"' {
				return r.skip()
			}
			err := r.text(name, &kind)
			r.req.AudioOut = r.req.AudioOut || strings.EqualFold(kind, "audio")
			return err
		})
	case "speechConfig":
		there, err := r.present()
		r.req.AudioOut = r.req.AudioOut || there
		return err
	case "thinkingConfig":
		return r.object(r.thinkingField)
	case "serviceTier":
		return r.geminiTier(name)
	}
	return r.skip()
}

// thinkingField reads how much a model may think: 0 is not at all, −1 as much as it wants (https://ai.google.dev/gemini-api/docs/thinking). What it thinks
// counts within maxOutputTokens.
func (r *requestReader) thinkingField(name string) error {
	switch camel(name) {
	case "thinkingBudget":
		v, err := r.dec.ReadValue()
		if err != nil || v.Kind() == 'n' {
			return err
		}
		if string(v) == "-1" {
			r.req.Reasoning = true
			return nil
		}
		n, err := countOf(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.req.ThinkingBudget, r.req.Reasoning = n, r.req.Reasoning || n > 0
		return nil
	case "thinkingLevel", "includeThoughts":
		there, err := r.present()
		r.req.Reasoning = r.req.Reasoning || there
		return err
	}
	return r.skip()
}
