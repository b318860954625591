//go:build unix

package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A changed file is in force for the next calls, one with a mistake changes nothing, and a call under way ends as it began.
func TestReload(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{latency: 3 * time.Second}, "")
	p, url := h.serve()
	under := make(chan answer, 1)
	go func() { under <- ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "r") }()
	until(t, "the call", func() bool { return h.sim.requests() == 1 })

	h.write("aurea.yaml", configuration()+"policy: {denied_models: [sim-a]}\n")
	p.says(p.stderr, "configuration reloaded")
	if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "r"); a.status != http.StatusForbidden {
		t.Errorf("a model that is denied now: %d %s", a.status, a.body)
	}
	if a := <-under; a.status != http.StatusOK {
		t.Errorf("the call under way: %d %s", a.status, a.body)
	}

	h.write("aurea.yaml", configuration()+"policy: {denied_models: [sim-a]}\nretry: {max_retries: many}\nlimits: {max_wait: soon}\n")
	p.says(p.stderr, "retry.max_retries")
	p.says(p.stderr, "limits.max_wait")
	if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "r"); a.status != http.StatusForbidden {
		t.Errorf("with a bad file: %d %s", a.status, a.body)
	}
	if err := os.Remove(h.path("aurea.yaml")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.says(p.stderr, "SIGHUP")
	if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "r"); a.status != http.StatusForbidden {
		t.Errorf("without a file: %d %s", a.status, a.body)
	}

	// As editors and Kubernetes do it: another file in its place.
	h.write("next.yaml", configuration()+"limits: {max_body: 1KB}\ntimezone: Europe/Madrid\n")
	if err := os.Rename(h.path("next.yaml"), h.path("aurea.yaml")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.says(p.stderr, "need a restart")
	if a := ask(t, url+"/v1/chat/completions", strings.Replace(question, "river", strings.Repeat("river ", 1000), 1)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too large now: %d", a.status)
	}
	if a := ask(t, url+"/v1/chat/completions", question, "X-Aurea-Job", "r"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	j := h.show("r")
	bracket(t, &j.Spent.Int, &j.Unconfirmed.Int, h.sim.bill())
}

// certificate writes one for loopback with a serial number.
func (h *house) certificate(serial int64) {
	h.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "aurea"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		h.tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		h.tb.Fatal(err)
	}
	h.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	h.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// The gateway speaks TLS and HTTP/2, refuses what is older, and takes a renewed certificate.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "tls: {cert: cert.pem, key: key.pem}\n")
	h.certificate(1)
	_, url := h.serve()
	if !strings.HasPrefix(url, "https://") {
		t.Fatal(url)
	}
	serial := func(most uint16) (int64, string) {
		pem, err := os.ReadFile(h.path("cert.pem"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: most, MinVersion: tls.VersionTLS10}, ForceAttemptHTTP2: true, //nolint:gosec // the server must refuse it
		}}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(question))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
			t.Errorf("%s %s", resp.Status, resp.Proto)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), ""
	}
	if n, problem := serial(tls.VersionTLS13); n != 1 {
		t.Error(n, problem)
	}
	if n, problem := serial(tls.VersionTLS11); n != 0 || !strings.Contains(problem, "protocol version") {
		t.Errorf("TLS 1.1: certificate %d, %q", n, problem)
	}
	h.certificate(2)
	until(t, "the renewed certificate", func() bool { n, _ := serial(tls.VersionTLS12); return n == 2 })
}

// A certificate without its key is a mistake, said before anything is listened on.
func TestServeTLSNeedsBoth(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "tls: {cert: cert.pem}\n")
	p := h.start("serve", "--listen", "127.0.0.1:0")
	p.exits(2)
	if !strings.Contains(p.stderr.String(), "give both") {
		t.Error(p.stderr.String())
	}
}
