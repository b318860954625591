package provider

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// shortest is the shortest key that is looked for in answers: anything shorter is a word that they may well contain, such as a local server's "none".
const shortest = 12

const masked = "[key]"

// secrets are what a provider is sent and a caller must not see: our keys, and configured headers that are credentials. Long ones only.
type secrets [][]byte

func newSecrets(cfg Config) (all secrets) {
	for _, key := range cfg.Keys {
		all = all.with(key)
	}
	for name, value := range cfg.Headers {
		if credential(http.CanonicalHeaderKey(name)) {
			_, token, ok := strings.Cut(value, " ") // behind a scheme such as Bearer
			if !ok {
				token = value
			}
			all = all.with(token)
		}
	}
	return all
}

func (s secrets) with(secret string) secrets {
	if len(secret) < shortest {
		return s
	}
	return append(s, []byte(secret))
}

// mask takes our secrets out of an answer in which the provider repeats them: the caller has no right to them. Anything else stays as it is.
func (s secrets) mask(body []byte) []byte {
	for _, secret := range s {
		if bytes.Contains(body, secret) {
			body = bytes.ReplaceAll(body, secret, []byte(masked))
		}
	}
	return body
}

// maskHeader is mask for the values of headers.
func (s secrets) maskHeader(h http.Header) {
	for _, secret := range s {
		for _, values := range h {
			for i, v := range values {
				if strings.Contains(v, string(secret)) {
					values[i] = strings.ReplaceAll(v, string(secret), masked)
				}
			}
		}
	}
}

// begun is how many bytes at the end of p may be the beginning of a secret.
func (s secrets) begun(p []byte) (most int) {
	if len(p) == 0 {
		return 0
	}
	for _, secret := range s {
		if bytes.IndexByte(secret, p[len(p)-1]) < 0 { // an event ends with an end of a line
			continue
		}
		for n := min(len(secret)-1, len(p)); n > most; n-- {
			if bytes.HasSuffix(p, secret[:n]) {
				most = n
			}
		}
	}
	return most
}

// A veil is mask for an answer that comes piece by piece. It holds back what may be the beginning of a secret, and nothing else.
type veil struct {
	secrets
	held []byte
}

// pass returns what can be handed on now. It is valid until the next call, or until p changes.
func (v *veil) pass(p []byte) []byte {
	if len(v.held) > 0 {
		p = append(v.held, p...)
		v.held = nil
	}
	p = v.mask(p)
	if n := v.begun(p); n > 0 {
		v.held = bytes.Clone(p[len(p)-n:])
		p = p[:len(p)-n]
	}
	return p
}

// rest returns what is held back when nothing follows.
func (v *veil) rest() []byte {
	p := v.held
	v.held = nil
	return p
}

// veiled is the body of an answer behind a veil.
type veiled struct {
	from io.ReadCloser
	veil veil
	out  []byte // has been read, and not handed on
	err  error
	buf  [8 << 10]byte
}

func (s secrets) behind(from io.ReadCloser) io.ReadCloser {
	if len(s) == 0 {
		return from
	}
	return &veiled{from: from, veil: veil{secrets: s}}
}

func (r *veiled) Read(p []byte) (int, error) {
	for len(r.out) == 0 && r.err == nil {
		var n int
		n, r.err = r.from.Read(r.buf[:])
		if r.out = r.veil.pass(r.buf[:n]); errors.Is(r.err, io.EOF) {
			r.out = append(bytes.Clone(r.out), r.veil.rest()...)
		}
	}
	n := copy(p, r.out)
	if r.out = r.out[n:]; n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, r.err
}

func (r *veiled) Close() error { return r.from.Close() }

// copyHeader copies a caller's headers that go through. What its Connection header names belongs to its connection only (RFC 9110, section 7.6.1).
func copyHeader(to, from http.Header) {
	for name, values := range from {
		if name = http.CanonicalHeaderKey(name); passes(name) {
			to[name] = values
		}
	}
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			delete(to, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
}
