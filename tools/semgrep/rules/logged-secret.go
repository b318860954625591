// Cases for semgrep; never built.
//go:build never

package rules

import (
	"fmt"
	"log/slog"
	"net/http"
)

func bad(log *slog.Logger, req *http.Request, body []byte, apiKey string) error {
	// ruleid: logged-secret
	log.Info("request", "header", req.Header)
	// ruleid: logged-secret
	log.Warn("refused", "authorization", req.Header.Get("Authorization"))
	// ruleid: logged-secret
	slog.Debug("answer", "body", string(body))
	// ruleid: logged-secret
	slog.Error("no such key", slog.String("key", apiKey))
	// ruleid: logged-secret
	return fmt.Errorf("the provider said %s", body)
}

func good(log *slog.Logger, resp *http.Response, body []byte, keyID string) error {
	// ok: logged-secret
	log.Info("answer", "status", resp.StatusCode, "bytes", len(body), "key_id", keyID)
	// ok: logged-secret
	return fmt.Errorf("the provider answered %d", resp.StatusCode)
}
