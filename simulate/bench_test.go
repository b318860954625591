package simulate

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const benchBody = `{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You sort tickets of a small shop."},{"role":"user","content":"` +
	`My parcel came yesterday but the kettle in it is the wrong colour; I had ordered the blue one. Can I send it back without paying for postage?"}],"max_tokens":60}`

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
func (d *discard) FlushError() error           { return nil }

// The handler alone.
func BenchmarkHandler(b *testing.B) {
	for name, o := range map[string]Options{"bare": {}, "limits": {RPM: maxLimit, TPM: maxLimit, Headers: true, Algo: algoBucket}} {
		b.Run(name, func(b *testing.B) {
			s := New(o)
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(benchBody))
				req.Header.Set("Authorization", "Bearer x")
				s.ServeHTTP(&discard{make(http.Header, 12)}, req)
			}
		})
	}
}

// Server and clients over loopback on the same cores. A part of it, often more than half, is the client.
func BenchmarkLoopback(b *testing.B) {
	r, err := Start("127.0.0.1:0", Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, r.URL()+"/v1/chat/completions", strings.NewReader(benchBody))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer x")
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}
