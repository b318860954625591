package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long anything is waited for on a busy machine.
const patience = time.Minute

// world is a simulated provider and a gateway before it.
type world struct {
	dir           string
	sim, gateway  *process
	provider, url string
	client        http.Client
}

// settings are the gateway's. It tries nothing again and waits for nothing, so that what a client gets is what was asked for.
const settings = `
providers:
  sim-openai: {api: openai, base_url: "PROVIDER/v1", api_key: unused}
  sim-anthropic: {api: anthropic, base_url: "PROVIDER", api_key: unused}
  openai: {base_url: "PROVIDER/v1", api_key: "${COMPAT_NO_SUCH_KEY}"}
  anthropic: {base_url: "PROVIDER", api_key: "${COMPAT_NO_SUCH_KEY}"}
models:
  gpt-4o-mini: {provider: sim-openai}
  text-embedding-3-small: {provider: sim-openai}
  claude-haiku-4-5: {provider: sim-anthropic}
  openai-denied: {provider: sim-openai}
  anthropic-denied: {provider: sim-anthropic}
  openai-no-price: {provider: sim-openai}
  anthropic-no-price: {provider: sim-anthropic}
MODELSlimits: {default_rpm: none, default_tpm: none, max_wait: 10s, max_body: 200KB}
retry: {max_retries: 0}
timeouts: {request: 5s, first_byte: 60s, idle_stream: 5s}
policy: {denied_models: ["*-denied"]}
prices:
  overrides:
PRICES`

// configured fills the settings in: the models of the scenarios, each for one of them, so that no circuit, limit or hold of one touches another.
func configured(provider string) string {
	var models, prices strings.Builder
	for _, format := range []string{"openai", "anthropic"} {
		for _, m := range []struct{ name, limits string }{
			{"small-1", ", rpm: 1"}, {"single", ", concurrency: 1"}, {"few", ", tpm: 100"},
			{"try-reset", ""}, {"try-slow", ""}, {"try-broken", ""}, {"try-400", ""}, {"try-429", ""}, {"try-cut", ""}, {"try-last", ""},
		} {
			fmt.Fprintf(&models, "  %s-%s: {provider: sim-%s%s}\n", format, m.name, format, m.limits)
			fmt.Fprintf(&prices, "    %s-%s: {input: \"1\", output: \"2\"}\n", format, m.name)
		}
	}
	return strings.NewReplacer("PROVIDER", provider, "MODELS", models.String(), "PRICES", prices.String()).Replace(settings)
}

func newWorld(ctx context.Context, aurea string) (w *world, err error) {
	dir, err := os.MkdirTemp("", "aurea-compat-*")
	if err != nil {
		return nil, err
	}
	w = &world{dir: dir, client: http.Client{Timeout: patience}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.sim, err = start(ctx, dir, aurea, "sim", "--listen", "127.0.0.1:0"); err != nil {
		return w, err
	}
	if w.provider, err = w.sim.say(ctx, "simulated provider on "); err != nil {
		return w, err
	}
	if err = os.WriteFile(filepath.Join(dir, "aurea.yaml"), []byte(configured(w.provider)), 0o600); err != nil {
		return w, err
	}
	w.gateway, err = start(ctx, dir, aurea, "serve", "--config", filepath.Join(dir, "aurea.yaml"), "--database", "sqlite:"+filepath.Join(dir, "aurea.db"), "--listen", "127.0.0.1:0", "--drain", "100ms")
	if err != nil {
		return w, err
	}
	w.url, err = w.gateway.say(ctx, "listening on ")
	return w, err
}

func (w *world) close() {
	w.gateway.end()
	w.sim.end()
	_ = os.RemoveAll(w.dir)
}

// get reads JSON, or text into a *[]byte.
func (w *world) get(url string, to any) error {
	return w.ask(http.MethodGet, url, nil, to)
}

func (w *world) ask(method, url string, body, to any) error {
	_, err := w.send(context.Background(), method, url, body, nil, to)
	return err
}

func (w *world) send(ctx context.Context, method, url string, body any, headers map[string]string, to any) (int, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err = io.ReadAll(io.LimitReader(res.Body, 1<<22))
	if err != nil || to == nil {
		return res.StatusCode, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return res.StatusCode, fmt.Errorf("%s %s: %s: %s", method, url, res.Status, b)
	}
	if text, ok := to.(*[]byte); ok {
		*text = b
		return res.StatusCode, nil
	}
	return res.StatusCode, json.Unmarshal(b, to)
}

// counts is how many calls reached the gateway and the provider so far.
func (w *world) counts() (atGateway, atProvider int64, err error) {
	var text []byte
	if err := w.get(w.url+"/metrics", &text); err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "aurea_requests_total{") {
			var n float64
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &n); err != nil {
				return 0, 0, err
			}
			atGateway += int64(n)
		}
	}
	var stats struct {
		Requests int64 `json:"requests"`
	}
	err = w.get(w.provider+"/stats", &stats)
	return atGateway, stats.Requests, err
}

// process is a program with what it says on stderr.
type process struct {
	cmd   *exec.Cmd
	said  chan string // its first lines
	log   *os.File
	ended chan struct{}
}

func start(ctx context.Context, dir, name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, name, args...) // #nosec G204 -- the program under test
	cmd.Dir, cmd.WaitDelay = dir, 10*time.Second
	cmd.Env = append(os.Environ(), "OPENAI_API_KEY=", "ANTHROPIC_API_KEY=", "OPENAI_BASE_URL=", "ANTHROPIC_BASE_URL=", "AUREA_CONFIG=", "AUREA_DATABASE=", "AUREA_ADMIN_KEY=")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, args[0]+".log")) // #nosec G304 -- in a folder of our own
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &process{cmd: cmd, said: make(chan string, 100), log: log, ended: make(chan struct{})}
	go func() {
		lines := bufio.NewScanner(pipe)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = fmt.Fprintln(log, lines.Text())
			select {
			case p.said <- lines.Text():
			default:
			}
		}
		close(p.said)
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// say waits for a line that begins with words, and returns the word after them.
func (p *process) say(ctx context.Context, words string) (string, error) {
	var all []string
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		select {
		case line, ok := <-p.said:
			if !ok {
				return "", fmt.Errorf("%s ended: %s", p.cmd.Args[1], strings.Join(all, "\n"))
			}
			if rest, found := strings.CutPrefix(line, words); found {
				word, _, _ := strings.Cut(rest, " ")
				return word, nil
			}
			all = append(all, line)
		case <-ctx.Done():
			return "", fmt.Errorf("%s does not say %q, but: %s", p.cmd.Args[1], words, strings.Join(all, "\n"))
		}
	}
}

// end stops the process and waits for it.
func (p *process) end() {
	if p == nil {
		return
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM, os.Kill} {
		_ = p.cmd.Process.Signal(sig)
		select {
		case <-p.ended:
			_ = p.log.Close()
			return
		case <-time.After(5 * time.Second):
		}
	}
	<-p.ended
	_ = p.log.Close()
}

// terminate asks the process to end.
func (p *process) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// pause waits a little, or until the run ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
