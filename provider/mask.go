package provider

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// shortest is the shortest key that is looked for in answers: anything shorter is a word that they may well contain, such as a local server's "none".
const shortest = 12

const masked = "[key]"

// mask takes our key out of an answer in which the provider repeats it: the caller has no right to it. Anything else stays as it is.
func mask(body []byte, key string) []byte {
	if len(key) < shortest || !bytes.Contains(body, []byte(key)) {
		return body
	}
	return bytes.ReplaceAll(body, []byte(key), []byte(masked))
}

// maskHeader is mask for the values of headers.
func maskHeader(h http.Header, key string) {
	if len(key) < shortest {
		return
	}
	for _, values := range h {
		for i, v := range values {
			if strings.Contains(v, key) {
				values[i] = strings.ReplaceAll(v, key, masked)
			}
		}
	}
}

// maxError is how much of an error is looked through before the rest of it is handed on.
const maxError = 1 << 20

// maskError is mask for the body of an answer that has not been read, if it tells of an error: those are where providers repeat what they were sent.
func maskError(resp *http.Response, key string) error {
	if resp.StatusCode < http.StatusBadRequest || len(key) < shortest {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		return err
	}
	resp.Body = &rest{io.MultiReader(bytes.NewReader(mask(body, key)), resp.Body), resp.Body}
	return nil
}

type rest struct {
	io.Reader
	io.Closer
}

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
