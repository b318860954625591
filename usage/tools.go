package usage

import "github.com/go-json-experiment/json/jsontext"

// tools are the uses of the provider's tools that an answer shows besides its usage.
type tools struct {
	web, file int64  // searches
	other     string // a use that has no price here

	counted  bool  // the provider itself has counted
	searches int64 // its web searches then
	pictures bool  // it has made pictures, by another model

	queries map[string]bool // searches that Gemini's answer rests on
}

// into adds the uses to a usage that may have counted them as well.
func (t *tools) into(u *Usage) {
	u.WebSearches = max(u.WebSearches, t.web)
	if t.counted {
		u.WebSearches = t.searches
	}
	if len(t.queries) > 0 {
		u.WebSearches = int64(len(t.queries))
		if oneFee(u.Model) {
			u.WebSearches = 1
		}
	}
	u.FileSearches = max(u.FileSearches, t.file)
	if u.Unpriced == "" {
		u.Unpriced = t.other
	}
	if t.pictures && u.Unpriced == "" {
		u.Unpriced = picturesMade
	}
}

const (
	picturesMade = "pictures that a tool made, with the prices of the model that made them"
	containers   = "containers in which code ran, by the time that they were kept"
)

// readItem counts a tool's use among the items of a response, and returns the item's type. A web search has a fee; opening a page that was found, or searching it, has none
// (https://platform.openai.com/docs/guides/tools-web-search). Code runs in containers that are billed by the session, and pictures are made by a model with prices
// of its own (https://platform.openai.com/docs/pricing).
func (t *tools) readItem(dec *jsontext.Decoder) (kind string, err error) {
	if passed, err := passEmpty(dec); passed {
		return "", err
	}
	var action, where string
	err = eachName(dec, func(name string) error {
		switch name {
		case "type":
			return readText(dec, &kind)
		case "action":
			return readType(dec, &action)
		case "environment":
			return readType(dec, &where)
		}
		return skip(dec)
	})
	switch kind {
	case "web_search_call":
		if action != "open_page" && action != "find_in_page" && action != "find" {
			t.web++
		}
	case "file_search_call":
		t.file++
	case "image_generation_call":
		t.other = picturesMade
	case "code_interpreter_call":
		t.other = containers
	case "shell_call":
		if where == "container_reference" {
			t.other = containers
		}
	}
	return kind, err
}

// readType reads the type of an object.
func readType(dec *jsontext.Decoder, kind *string) error {
	return eachName(dec, func(name string) error {
		if name == "type" {
			return readText(dec, kind)
		}
		return skip(dec)
	})
}

// readUsage reads OpenAI's own account of its tools: the searches that it bills
// (https://github.com/openai/openai-go, type ResponseToolUsage).
func (t *tools) readUsage(dec *jsontext.Decoder) error {
	return eachName(dec, func(name string) error {
		if name != "web_search" && name != "image_gen" {
			return skip(dec)
		}
		return eachName(dec, func(inner string) error {
			if dec.PeekKind() != '0' || inner != "num_requests" && inner != "total_tokens" {
				return skip(dec)
			}
			v, err := dec.ReadValue()
			n, bad := countOf(v)
			switch {
			case err != nil:
			case name == "image_gen":
				t.pictures = t.pictures || n > 0 || bad != nil
			case bad == nil && inner == "num_requests":
				t.counted, t.searches = true, n
			}
			return err
		})
	})
}

// add counts what another item shows.
func (t *tools) add(more tools) {
	t.web += more.web
	t.file += more.file
	if more.other != "" {
		t.other = more.other
	}
}

// most takes the larger of two accounts of the same uses.
func (t *tools) most(other tools) {
	t.web, t.file = max(t.web, other.web), max(t.file, other.file)
	if t.other == "" {
		t.other = other.other
	}
	if len(other.queries) > 0 { // each piece of an answer tells of all searches by then
		if t.queries == nil {
			t.queries = make(map[string]bool)
		}
		for query := range other.queries {
			if len(t.queries) < mostQueries {
				t.queries[query] = true
			}
		}
	}
}
