package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// descriptors is how many files the process has open.
func (p *process) descriptors() int {
	p.tb.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	return len(names)
}

// resident is what the process has in memory now, in bytes.
func (p *process) resident() int64 { return (&way{process: p}).rss(p.tb) }

// crowd opens n streams whose first event has come and whose next one lets wait for itself.
func crowd(t *testing.T, url string, n int) (leave func()) {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conns := make([]net.Conn, n)
	body := strings.Replace(question, `"model"`, `"stream":true,"model"`, 1)
	request := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nX-Aurea-Job: crowd\r\nX-Aurea-Max-Cost: 1000\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
	var all sync.WaitGroup
	slots := make(chan struct{}, 200)
	for i := range conns {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			c, err := net.Dial("tcp", host)
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = c
			if _, err := io.WriteString(c, request); err != nil {
				t.Error(err)
				return
			}
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			said := bufio.NewReaderSize(c, 512)
			for {
				line, err := said.ReadString('\n')
				if err != nil {
					t.Error(err)
					return
				}
				if strings.HasPrefix(line, "data: ") {
					return
				}
			}
		})
	}
	all.Wait()
	return func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}
}

// Streams that stand open, and large bodies at once, take no more memory than they may; when they have gone nothing of them stays.
func TestCrowd(t *testing.T) {
	streams, bodies := []int{200}, []int{1, 2}
	if soak {
		streams, bodies = []int{1000, 9000}, []int{1, 8}
	}
	h := newHouse(t, behaviour{event: 20 * time.Second}, "limits: {max_body: 60MB}\n")
	began := time.Now()
	p, url := h.serve("--log-level", "warn")
	until(t, "ready", func() bool {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	t.Logf("from start to ready: %s", time.Since(began).Round(time.Millisecond))
	if a := ask(t, url+"/v1/chat/completions", question); a.status != http.StatusOK {
		t.Fatal(a)
	}
	idle, open := p.resident(), p.descriptors()
	t.Logf("idle: %d MB, %d files", idle>>20, open)
	if idle > 40<<20 {
		t.Errorf("idle it takes %d MB", idle>>20)
	}
	for _, n := range streams {
		leave := crowd(t, url, n)
		rss := p.resident()
		t.Logf("%d streams: %d MB", n, rss>>20)
		if most := map[int]int64{1000: 125, 9000: 1000}[n]; most > 0 && rss>>20 > most {
			t.Errorf("%d streams take %d MB, more than %d", n, rss>>20, most)
		}
		leave()
		until(t, "the streams have gone", func() bool { return p.descriptors() < open+20 })
	}
	p.signal(syscall.SIGTERM)
	p.exits(0)
	whole := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the simulated provider takes no such bodies
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","model":"sim-a","choices":[],"usage":{"prompt_tokens":12000000,"completion_tokens":1,"total_tokens":12000001}}`)
	}))
	defer whole.Close()
	h.env = append(h.env, "OPENAI_BASE_URL="+whole.URL+"/v1")
	p, url = h.serve("--log-level", "warn") // what the streams took is given back in time, and is not the bodies'
	big := `{"model":"sim-a","max_tokens":50,"messages":[{"role":"user","content":"` + strings.Repeat("All work and no play. ", 49_000_000/22) + `"}]}`
	for _, n := range bodies {
		peak, stop := p.peak()
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(big))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Aurea-Job", "crowd")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				answer, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%d %.300s", resp.StatusCode, answer)
				}
			})
		}
		all.Wait()
		stop()
		t.Logf("%d bodies of 50 MB at once: %d MB", n, *peak>>20)
		if most := map[int]int64{1: 400, 8: 1200}[n]; most > 0 && *peak>>20 > most {
			t.Errorf("%d bodies take %d MB, more than %d", n, *peak>>20, most)
		}
	}
	runtime.KeepAlive(big)
	http.DefaultClient.CloseIdleConnections()
	p.signal(syscall.SIGTERM)
	p.exits(0)
}

// peak watches the process's memory until stop is called.
func (p *process) peak() (most *int64, stop func()) {
	most = new(int64)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			*most = max(*most, p.resident())
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return most, func() { close(done); <-ended }
}
