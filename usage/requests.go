package usage

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// RequestReader is [ReadRequest] for many bodies one after the other, without memory of its own for each. Its zero value is ready. It must not be used by several
// goroutines at once, and keeps the last body from being freed.
type RequestReader struct {
	dec   jsontext.Decoder
	body  bytes.Buffer
	names distinct
	caps  []int64
}

// Read is ReadRequest.
func (r *RequestReader) Read(api API, body []byte) (Request, error) {
	if !api.Known() {
		return Request{}, fmt.Errorf("%q is not an API", string(api))
	}
	r.body = *bytes.NewBuffer(body)
	r.dec.Reset(&r.body, jsontext.AllowDuplicateNames(true))
	one := requestReader{dec: &r.dec, names: r.names.again(), caps: r.caps[:0]}
	req, err := one.read(api, body)
	r.names, r.caps = one.names, one.caps
	return req, err
}

// forget lets go of the last body.
func (r *RequestReader) forget() {
	r.body = bytes.Buffer{}
	r.dec.Reset(&r.body)
}
