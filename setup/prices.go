package setup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/pricing"
)

const (
	// fetchTimeout bounds how long a price file at an address is waited for, maxPrices its size, maxRedirects how often it may be elsewhere.
	fetchTimeout = 20 * time.Second
	maxPrices    = 64 << 20
	maxRedirects = 5
)

// Prices returns the price table: the built-in one, the operator's file over it, his overrides over both.
//
// A file at an address is fetched, must have the checksum in prices.sha256 if there is one, and is kept in the state folder. Where it cannot be had, or cannot be
// read as prices, or prices nothing, the last good one is used, and the default logger is told so. What was booked keeps the price that it was booked at.
func Prices(cfg *config.Config) (*pricing.Table, error) {
	table := pricing.Embedded()
	if name := cfg.Prices.File; name != "" {
		read := readPrices
		if isAddress(name) {
			read = fetchPrices
		}
		var err error
		if table, err = read(cfg, table); err != nil {
			return nil, fmt.Errorf("prices.file %s: %w", name, err)
		}
	}
	overrides := make(map[string]pricing.Override)
	for _, p := range cfg.Prices.Overrides {
		overrides[p.Model] = pricing.Override{
			Free: p.Free, Input: p.Input, Output: p.Output, CacheRead: p.CacheRead, CacheWrite: p.CacheWrite, CacheWrite1h: p.CacheWrite1h,
			AudioInput: p.AudioInput, AudioOutput: p.AudioOutput,
		}
	}
	return table.WithOverrides(overrides), nil
}

func isAddress(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// readPrices reads a file on this machine. Its checksum is asked for only where one is given.
func readPrices(cfg *config.Config, table *pricing.Table) (*pricing.Table, error) {
	data, err := os.ReadFile(cfg.Prices.File) // #nosec G304 -- what the operator named
	if err != nil {
		return nil, err
	}
	return withPrices(cfg, table, data)
}

func withPrices(cfg *config.Config, table *pricing.Table, data []byte) (*pricing.Table, error) {
	if sum := sha256.Sum256(data); cfg.Prices.SHA256 != "" && hex.EncodeToString(sum[:]) != cfg.Prices.SHA256 {
		return nil, fmt.Errorf("its SHA-256 is %x, and prices.sha256 wants %s", sum, cfg.Prices.SHA256)
	}
	return table.WithFile(bytes.NewReader(data))
}

// fetchPrices reads a file at an address, or the last good one from there.
func fetchPrices(cfg *config.Config, table *pricing.Table) (*pricing.Table, error) {
	address := cfg.Prices.File
	kept := keptPrices(cfg)
	data, err := fetch(address)
	if err == nil {
		var fresh *pricing.Table
		if fresh, err = withPrices(cfg, table, data); err == nil && fresh.Priced() == 0 {
			err = errors.New("it prices no model") // an answer such as {"error": {…}} is an object as well
		}
		if err == nil {
			if err := keep(kept, data); err != nil {
				slog.Warn("the fetched prices could not be kept for a time when they cannot be fetched", "file", kept, "error", err)
			}
			return fresh, nil
		}
	}
	old, readErr := os.ReadFile(kept) // #nosec G304 -- our own
	if readErr != nil {
		return nil, fmt.Errorf("%w, and no earlier copy is there", err)
	}
	last, oldErr := withPrices(cfg, table, old)
	if oldErr != nil {
		return nil, errors.Join(err, fmt.Errorf("the earlier copy %s: %w", kept, oldErr))
	}
	age := "unknown"
	if info, err := os.Stat(kept); err == nil {
		age = info.ModTime().UTC().Format(time.RFC3339)
	}
	slog.Warn("prices could not be fetched; the last good ones are used", "address", address, "error", err, "of", age)
	return last, nil
}

// keptPrices is where the last good file from an address is kept; empty if there is no place.
func keptPrices(cfg *config.Config) string {
	if cfg.StateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(cfg.Prices.File))
	return filepath.Join(cfg.StateDir, "prices-"+hex.EncodeToString(sum[:6])+".json")
}

func fetch(address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return errors.New("it redirects too often")
		}
		if via[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
			return errors.New("it redirects to an open network") // where anyone on the way may write the prices
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxPrices+1))
	if err == nil && len(data) > maxPrices {
		err = fmt.Errorf("it is larger than %d MiB", maxPrices>>20)
	}
	return data, err
}

// keep replaces the copy at once or not at all.
func keep(path string, data []byte) error {
	if path == "" {
		return errors.New("there is no state folder: set HOME or XDG_STATE_HOME")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".prices-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
