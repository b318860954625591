package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// A provider that repeats our key in its answers does not give it away, and what belongs to the client's connection stays there.
func TestKeyIsNotRepeated(t *testing.T) {
	t.Parallel()
	var hop atomic.Bool
	upstream := func(w http.ResponseWriter, r *http.Request) {
		hop.Store(hop.Load() || r.Header.Get("X-Hop") != "")
		said := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Debug", said)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"message":"bad key `+said+`","type":"invalid_request_error"}}`)
	}
	at := passing(t, upstream)
	for _, path := range []string{"/p/first/chat/completions", "/p/second/v1/messages", "/p/first/files/x", "/p/second/v1/models", "/v1/chat/completions"} {
		method := http.MethodPost
		if strings.HasSuffix(path, "models") {
			method = http.MethodGet
		}
		question := chat
		if strings.HasPrefix(path, "/v1/") {
			question = strings.Replace(chat, `"test-model"`, `"first/test-model"`, 1)
		}
		resp, body := send(t, method, at+path, question, "Connection", "X-Hop", "X-Hop", "1")
		if resp.StatusCode != 400 || !strings.Contains(body, "bad key") || strings.Contains(body, "the-provider-s-key") || strings.Contains(resp.Header.Get("X-Debug"), "the-provider-s-key") {
			t.Errorf("%s: %s %v %s", path, resp.Status, resp.Header, body)
		}
	}
	if hop.Load() {
		t.Error("a header of the client's connection came upstream")
	}
}
