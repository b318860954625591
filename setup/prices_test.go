package setup_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/setup"
)

// Prices at an address: the last good ones hold where the new ones cannot be had, are no prices, or are others than were agreed on.
func TestPricesFromAnAddress(t *testing.T) {
	t.Parallel()
	const first = `{"m": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}`
	second := strings.Replace(first, "1e-6", "3e-6", 1)
	var body atomic.Pointer[string]
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(*body.Load()))
	}))
	t.Cleanup(s.Close)
	cfg := &config.Config{StateDir: filepath.Join(t.TempDir(), "state"), Prices: config.Prices{File: s.URL + "/prices.json"}}
	price := func() string {
		t.Helper()
		table, err := setup.Prices(cfg)
		if err != nil {
			return err.Error()
		}
		p, err := table.Lookup("", "m", time.Now())
		if err != nil {
			return err.Error()
		}
		in, _ := p.Rates.Get(0)
		return in.String()
	}
	say := func(text string) { body.Store(&text) }
	say("no prices")
	if got := price(); !strings.Contains(got, "no earlier copy") {
		t.Error(got)
	}
	say(first)
	if got := price(); got != "0.000001" {
		t.Error(got)
	}
	say("<html>")
	if got := price(); got != "0.000001" {
		t.Errorf("garbage: %s", got)
	}
	for _, nothing := range []string{"{}", `{"error": {"message": "try later"}}`, `{"m": {"input_cost_per_token": 0, "output_cost_per_token": 0}}`} {
		say(nothing)
		if got := price(); got != "0.000001" {
			t.Errorf("%s: %s", nothing, got)
		}
	}
	status = http.StatusInternalServerError
	say(second)
	if got := price(); got != "0.000001" {
		t.Errorf("an error: %s", got)
	}
	status = http.StatusOK
	sum := sha256.Sum256([]byte(first))
	cfg.Prices.SHA256 = hex.EncodeToString(sum[:])
	if got := price(); got != "0.000001" {
		t.Errorf("others than agreed: %s", got)
	}
	cfg.Prices.SHA256 = ""
	if got := price(); got != "0.000003" {
		t.Error(got)
	}
	s.Close()
	if got := price(); got != "0.000003" {
		t.Errorf("nobody there: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.StateDir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	cfg.Prices.SHA256 = hex.EncodeToString(sum[:])
	if got := price(); !strings.Contains(got, "prices.sha256") {
		t.Errorf("nothing good is there: %s", got)
	}
}

// Prices do not come over an open network by a detour. It changes the default transport, so it runs alone.
func TestPricesAreNotRedirected(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"m": {"litellm_provider": "openai", "input_cost_per_token": 1e-9, "output_cost_per_token": 1e-9}}`))
	}))
	t.Cleanup(open.Close)
	secure := httptest.NewTLSServer(http.RedirectHandler(open.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	before := http.DefaultTransport
	http.DefaultTransport = secure.Client().Transport
	t.Cleanup(func() { http.DefaultTransport = before })
	_, err := setup.Prices(&config.Config{StateDir: t.TempDir(), Prices: config.Prices{File: secure.URL}})
	if err == nil || !strings.Contains(err.Error(), "open network") {
		t.Error(err)
	}
}

// A file's checksum holds as well.
func TestPricesOfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("{}"))
	if _, err := setup.Prices(&config.Config{Prices: config.Prices{File: path, SHA256: hex.EncodeToString(sum[:])}}); err != nil {
		t.Error(err)
	}
	if _, err := setup.Prices(&config.Config{Prices: config.Prices{File: path, SHA256: strings.Repeat("0", 64)}}); err == nil {
		t.Error("another file")
	}
}
