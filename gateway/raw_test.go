package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requests that two servers could read differently are refused, or reach the provider as the one request that the client was answered for: nothing is smuggled past the
// gateway, and no header of ours can be written by a client.
func TestOddFraming(t *testing.T) {
	t.Parallel()
	type seen struct{ line, body string }
	var mu sync.Mutex
	var upstream []seen
	url := between(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		upstream = append(upstream, seen{r.Method + " " + r.RequestURI, string(body)})
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	host := strings.TrimPrefix(url, "http://")
	n := len(chat)
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", n)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, chat)
	smuggled := "POST /v1/files HTTP/1.1\r\nHost: y\r\nContent-Length: 5\r\n\r\nevil!"
	for _, c := range []struct {
		name, request string
		answers       []int // what the client may be answered, one for each request that it sent
	}{
		{"plain", head + length + "\r\n" + chat, []int{200}},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n" + chunked, []int{200}},
		{"chunk extensions and trailers", head + "Transfer-Encoding: chunked\r\nTrailer: X-Aurea-Job\r\n\r\n" + fmt.Sprintf("%x;a=\"b\"\r\n%s\r\n0\r\nX-Aurea-Job: other\r\n\r\n", n, chat), []int{200}},
		{"length and chunked", head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, []int{200, 400}},
		{"chunked and length", head + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + smuggled, []int{400, 404}},
		{"two lengths", head + length + "Content-Length: 3\r\n\r\n" + chat, []int{400}},
		{"two equal lengths", head + length + length + "\r\n" + chat, []int{200, 400}},
		{"a list of lengths", head + fmt.Sprintf("Content-Length: %d, %d\r\n\r\n", n, n) + chat, []int{200, 400}},
		{"a signed length", head + fmt.Sprintf("Content-Length: +%d\r\n\r\n", n) + chat, []int{400}},
		{"a negative length", head + "Content-Length: -1\r\n\r\n" + chat, []int{400}},
		{"a length beyond int64", head + "Content-Length: 99999999999999999999\r\n\r\n" + chat, []int{400}},
		{"two encodings", head + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunked, []int{400, 501}},
		{"an unknown encoding", head + "Transfer-Encoding: xchunked\r\n" + length + "\r\n" + chat, []int{400, 501}},
		{"an encoding in disguise", head + "Transfer-Encoding:\x0bchunked\r\n" + length + "\r\n" + chat, []int{400, 501}},
		{"a blank before the colon", head + "Content-Length : 3\r\n\r\n" + chat, []int{400}},
		{"a folded header", head + "X-A: b\r\n c\r\n" + length + "\r\n" + chat, []int{200, 400}},
		{"lines without returns", strings.ReplaceAll(head+length+"\r\n", "\r\n", "\n") + chat, []int{200, 400}},
		{"a return within a header", head + "X-A: b\rX-Aurea-Job: evil\r\n" + length + "\r\n" + chat, []int{400}},
		{"a zero within a header", head + "X-A: b\x00c\r\n" + length + "\r\n" + chat, []int{400}},
		{"no host", "POST /v1/chat/completions HTTP/1.1\r\n" + length + "\r\n" + chat, []int{400}},
		{"two hosts", head + "Host: y\r\n" + length + "\r\n" + chat, []int{400}},
		{"an odd chunk length", head + "Transfer-Encoding: chunked\r\n\r\n-5\r\n" + chat, []int{400}},
		{"a huge header", head + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", []int{431}},
		{"half a body", head + "Content-Length: 1000\r\n\r\n" + chat, nil},
		{"another after it", head + length + "\r\n" + chat + smuggled, []int{200, 404}},
	} {
		mu.Lock()
		upstream = nil
		mu.Unlock()
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		go func() {
			_, _ = io.WriteString(conn, c.request) // the server may have closed it by now
			if c.answers == nil {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
		}()
		ok := 0
		for in := bufio.NewReader(conn); ; {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			allowed := len(c.answers) == 0
			for _, status := range c.answers {
				allowed = allowed || resp.StatusCode == status
			}
			if !allowed {
				t.Errorf("%s: answered %s", c.name, resp.Status)
			}
			if resp.StatusCode == http.StatusOK {
				ok++
			}
			_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // for one more, if there is any
		}
		_ = conn.Close()
		mu.Lock()
		if len(upstream) != ok {
			t.Errorf("%s: the provider got %d requests, the client %d answers", c.name, len(upstream), ok)
		}
		for _, r := range upstream {
			if r.line != "POST /v1/chat/completions" || r.body != chat {
				t.Errorf("%s: the provider got %q %q", c.name, r.line, r.body)
			}
		}
		mu.Unlock()
	}
}
