package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// admits refuses a request without the key, if there is one.
func (h *Handler) admits(header http.Header) error {
	if h.cfg.Key == "" || Bears(header, h.cfg.Key) {
		return nil
	}
	return &aurea.Error{Code: aurea.CodeUnauthorized, Message: "the key is not this gateway's", Hint: "use the one in OPENAI_API_KEY or ANTHROPIC_API_KEY, as aurea exec set it"}
}

// Bears reports whether a request says a key, as Authorization: Bearer, x-api-key or x-goog-api-key. How long it takes does not depend on the key.
func Bears(header http.Header, key string) bool {
	want := sha256.Sum256([]byte(key))
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		for _, value := range header[name] {
			if name == "Authorization" {
				scheme, rest, _ := strings.Cut(value, " ")
				if !strings.EqualFold(scheme, "bearer") {
					continue
				}
				value = strings.TrimSpace(rest)
			}
			if got := sha256.Sum256([]byte(value)); subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
				return true
			}
		}
	}
	return false
}
