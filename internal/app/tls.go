package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/andres20980/aurea-orchestrator/config"
)

// lookAtCertificate is how often the files of a certificate are looked at, by handshakes.
const lookAtCertificate = time.Second

// certificate is read from files, again when they have changed. A pair that cannot be read, as between the renewals of its two files, leaves the one before in
// force. Safe for concurrent use.
type certificate struct {
	files config.TLS
	log   *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	looked time.Time
	state  [2]time.Time
}

func newCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log, looked: time.Now(), state: fileTimes(files)}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("tls: %w; tls.cert takes a certificate with its chain, tls.key its private key, both in PEM", err)}
	}
	c.pair = &pair
	return c, nil
}

func fileTimes(files config.TLS) (times [2]time.Time) {
	for i, name := range []string{files.Cert, files.Key} {
		if info, err := os.Stat(name); err == nil {
			times[i] = info.ModTime()
		}
	}
	return times
}

// get is [tls.Config.GetCertificate].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAtCertificate {
		c.looked = now
		if state := fileTimes(c.files); state != c.state {
			pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
			if err != nil {
				c.log.Error("certificate not reloaded", "error", err)
			} else {
				c.log.Info("certificate reloaded", "file", c.files.Cert)
				c.pair = &pair
			}
			c.state = state
		}
	}
	return c.pair, nil
}
