package aurea

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/andres20980/aurea-orchestrator/redact"
	"github.com/andres20980/aurea-orchestrator/redact/mask"
)

// PII says what becomes of personal data and credentials in what is sent to providers.
type PII string

// What can become of them. The zero value leaves it to others to say.
const (
	// PIIOff sends requests as they are.
	PIIOff PII = "off"
	// PIIMask sends placeholders such as [EMAIL_1] in their place, and puts the values back into the answers: see package redact/mask.
	PIIMask PII = "mask"
	// PIIBlock refuses requests that have any with [CodePIIBlocked].
	PIIBlock PII = "block"
)

// strictness orders the values.
var strictness = map[PII]int{PIIMask: 1, PIIBlock: 2}

// check refuses what is none of the values.
func (p PII) check() error {
	if p == "" || p == PIIOff || strictness[p] > 0 {
		return nil
	}
	return &Error{Code: CodeInvalidRequest, Message: fmt.Sprintf("pii: %q is not known", string(p)), Hint: "write off, mask or block"}
}

// stricter returns the stricter of two.
func stricter(a, b PII) PII {
	if strictness[b] > strictness[a] {
		return b
	}
	return a
}

// mask does with the personal data of the request what the strictest of the call, its job and the places it may go to asks for. What goes out from then on is the masked request:
// it is what the bound is of, and all attempts send it.
func (w *walk) mask() error {
	mode := stricter(w.call.PII, w.call.Job.pii)
	if err := w.call.PII.check(); err != nil {
		return err
	}
	for _, t := range w.targets {
		mode = stricter(mode, w.s.pii(t.settings))
	}
	if strictness[mode] == 0 {
		return nil
	}
	body, m, err := mask.Request(w.s.redactor, w.call.Body)
	switch {
	case err != nil:
		return &Error{Code: CodeInvalidRequest, Message: err.Error(), Err: err}
	case m == nil:
		return nil
	case mode == PIIBlock:
		return piiBlocked("the request has "+listed(m.Found(), m.Unmaskable())+", which may not be sent", "leave it out, or have it masked with pii: mask")
	case len(m.Unmaskable()) > 0:
		return piiBlocked("an address that the provider is to fetch has "+listed(m.Unmaskable())+", and leads nowhere if that is masked", "send the content itself")
	}
	w.masked, w.call.Body = m, body
	return w.read()
}

// checkFree refuses what a request that costs nothing may not carry. What comes back of it is not ours to read, so nothing in it is masked.
func (s *settings) checkFree(req FreeRequest) error {
	if err := req.PII.check(); err != nil {
		return err
	}
	if strictness[stricter(req.PII, s.pii(FreeModel))] == 0 {
		return nil
	}
	const hint = "what is passed through is not masked: leave it out, or ask the provider itself"
	query, err := url.QueryUnescape(req.Query)
	if err != nil {
		query = req.Query
	}
	for _, f := range s.redactor.Find(nil, []byte(query)) {
		return piiBlocked("the address has "+f.Type.String()+", which may not be sent", hint)
	}
	if len(req.Body) == 0 {
		return nil
	}
	_, m, err := mask.Request(s.redactor, req.Body)
	if err != nil {
		return piiBlocked("a body that is not JSON cannot be looked into for personal data", hint)
	}
	if m != nil {
		return piiBlocked("the request has "+listed(m.Found(), m.Unmaskable())+", which may not be sent", hint)
	}
	return nil
}

func piiBlocked(message, hint string) error {
	return &Error{Code: CodePIIBlocked, Message: message, Hint: hint}
}

// mostListed is how many places a refusal names.
const mostListed = 8

// listed says what was found and where, and no value.
func listed(lists ...[]mask.Found) string {
	var all []string
	for _, f := range slices.Concat(lists...) {
		if len(all) == mostListed {
			all = append(all, "more")
			break
		}
		all = append(all, fmt.Sprintf("%d %s in %s", f.Count, f.Type, f.Place))
	}
	return strings.Join(all, ", ")
}

// Masked says how many values of a type were masked in a request.
type Masked struct {
	// Type is as package redact names it: EMAIL, KEY.
	Type string
	// Count is how often they stood there.
	Count int
}

// maskedOf adds up what was masked, by type in alphabetical order.
func maskedOf(m *mask.Map) (all []Masked) {
	for _, f := range m.Found() {
		i, ok := slices.BinarySearchFunc(all, f.Type, func(have Masked, kind string) int { return strings.Compare(have.Type, kind) })
		if !ok {
			all = slices.Insert(all, i, Masked{Type: f.Type})
		}
		all[i].Count += f.Count
	}
	return all
}

// unmasker puts the values back into a stream.
type unmasker struct {
	Sink
	stream *mask.Stream
}

func newUnmasker(m *mask.Map, to Sink) *unmasker { return &unmasker{Sink: to, stream: m.NewStream(to)} }

func (u *unmasker) Write(p []byte) (int, error) { return u.stream.Write(p) }

// defaultRedactor finds everything that is found without being asked for.
func defaultRedactor() *redact.Redactor { return redact.New(redact.Options{PII: true}) }
