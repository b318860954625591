package simulate

import (
	"bytes"
	"fmt"
	"io"
	"net"
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

// The server over loopback, with clients that cost next to nothing: they send the same bytes and count what comes back.
func BenchmarkServer(b *testing.B) {
	r, err := Start("127.0.0.1:0", Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	request := fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(benchBody), benchBody)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answer := make([]byte, 16<<10)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			for n := 0; !bytes.HasSuffix(answer[:n], []byte("}")); {
				m, err := conn.Read(answer[n:])
				if err != nil {
					b.Error(err)
					return
				}
				n += m
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// The same with net/http as client, as in a batch. Often more than half of it is the client.
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
