package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const streamed1 = `{"model":"claude-haiku-4-5","max_tokens":40,"stream":true,"messages":[{"role":"user","content":"Hi"}]}`

// What a client sees of each fault, through real connections, and whether it is charged.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step         string
		path, body   string
		status       int
		err          error
		says         string
		ok, answered int64
	}{
		"status":                {`{"status":503}`, "/v1/responses", `{"model":"m","input":"x"}`, 503, nil, "server_error", 0, 0},
		"status, Anthropic":     {`{"status":529}`, "/v1/messages", bonjour, 529, nil, `"overloaded_error"`, 0, 0},
		"code":                  {`{"status":429,"code":"insufficient_quota","type":"insufficient_quota"}`, "/v1/chat/completions", hello, 429, nil, `"code":"insufficient_quota"`, 0, 0},
		"body":                  {`{"status":418,"body":{"odd":1}}`, "/v1/chat/completions", hello, 418, nil, `{"odd":1}`, 0, 0},
		"text":                  {`{"status":502,"body":"<html>\"no\"","headers":{"Content-Type":"text/html"}}`, "/v1/chat/completions", hello, 502, nil, `<html>"no"`, 0, 0},
		"no content":            {`{"status":204}`, "/v1/chat/completions", hello, 204, nil, "", 1, 1},
		"own answer":            {`{"status":200,"body":{"choices":[]}}`, "/v1/chat/completions", hello, 200, nil, `{"choices":[]}`, 1, 1},
		"not charged":           {`{"status":200,"body":{"choices":[]},"billed":false}`, "/v1/chat/completions", hello, 200, nil, `{"choices":[]}`, 0, 0},
		"charged":               {`{"status":500,"billed":true}`, "/v1/chat/completions", hello, 500, nil, "server_error", 1, 1},
		"reset":                 {`{"reset":true}`, "/v1/chat/completions", hello, 0, syscall.ECONNRESET, "", 0, 0},
		"reset, charged":        {`{"reset":true,"billed":true}`, "/v1/chat/completions", hello, 0, syscall.ECONNRESET, "", 1, 0},
		"reset within":          {`{"reset":true,"truncate":20}`, "/v1/chat/completions", hello, 200, syscall.ECONNRESET, "", 1, 0},
		"truncated":             {`{"truncate":20}`, "/v1/chat/completions", hello, 200, io.ErrUnexpectedEOF, `{"id":"chatcmpl-438d`, 1, 0},
		"truncated, almost not": {`{"truncate":1000000}`, "/v1/chat/completions", hello, 200, io.ErrUnexpectedEOF, `"system_fingerprint"`, 1, 0},
		"truncated error":       {`{"status":500,"truncate":9}`, "/v1/chat/completions", hello, 500, io.ErrUnexpectedEOF, `{"error":`, 0, 0},
		"garbage":               {`{"garbage":true}`, "/v1/chat/completions", hello, 200, nil, "<html>", 1, 1},
		"no usage":              {`{"no_usage":true}`, "/v1/chat/completions", hello, 200, nil, "system_fingerprint", 1, 1},
		"stall":                 {`{"stall":"1ms","delay":"1ms"}`, "/v1/chat/completions", hello, 200, nil, "system_fingerprint", 1, 1},
		"ok":                    {`{"ok":true}`, "/v1/messages", bonjour, 200, nil, "end_turn", 1, 1},
		"stream":                {`{"stall":"1ms"}`, "/v1/messages", streamed1, 200, nil, "message_stop", 1, 1},
		"stream reset":          {`{"reset":true,"truncate":700}`, "/v1/messages", streamed1, 200, syscall.ECONNRESET, "", 1, 0},
		"stream truncated":      {`{"truncate":700}`, "/v1/messages", streamed1, 200, io.ErrUnexpectedEOF, "message_start", 1, 0},
		"stream, all but all":   {`{"truncate":1000000}`, "/v1/messages", streamed1, 200, io.ErrUnexpectedEOF, "message_delta", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, client := start(t, Options{})
			script(t, r, "["+c.step+"]")
			status, body, err := call(t, client, r, c.path, c.body)
			// After an answer has begun, a reset may reach the client before it has read the status line.
			early := c.err == syscall.ECONNRESET && status == 0 //nolint:errorlint // the table's own value
			if !errors.Is(err, c.err) || status != c.status && !early || !strings.Contains(string(body), c.says) {
				t.Errorf("%d %v %s", status, err, body)
			}
			if strings.Contains(string(body), `"usage"`) && strings.Contains(c.step, "no_usage") {
				t.Errorf("there is a usage: %s", body)
			}
			if stats := r.Stats(); stats.OK != c.ok || stats.Answered != c.answered || (stats.CostPico != "0") != (c.ok > 0) {
				t.Errorf("%+v", stats.Totals)
			}
			if status, _, err := call(t, client, r, c.path, c.body); status != 200 || err != nil {
				t.Errorf("the next request: %d %v", status, err)
			}
		})
	}
}

func TestScriptInOrderAndByRequest(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	script(t, s, `[
		{"status":500,"model":"a"}, {"status":501,"match":"[[x]]","times":2}, {"status":502,"endpoint":"/v1/messages","times":-1},
		{"status":503,"key":"other"}, {"ok":true}, {"status":504,"headers":{"Retry-After":"2","X-Request-Id":""}}]`)
	var got []int
	for _, body := range []string{
		`{"model":"b","input":"[[x]]"}`, `{"model":"b","input":"x"}`, `{"model":"a","input":"[[x]]"}`, `{"model":"a","input":"[[x]]"}`, `{"model":"a","input":"y"}`,
		`{"model":"a","input":"y"}`,
	} {
		w := post(t, s, "/v1/responses", body)
		if got = append(got, w.Code); w.Code == 504 && (w.Header().Get("Retry-After") != "2" || w.Header().Get("X-Request-Id") != "") {
			t.Errorf("headers %v", w.Header())
		}
	}
	for range 3 {
		got = append(got, post(t, s, "/v1/messages", bonjour).Code)
	}
	if diff := cmp.Diff([]int{501, 200, 500, 501, 504, 200, 502, 502, 502}, got); diff != "" {
		t.Error(diff)
	}
	var left []Step
	if err := json.Unmarshal(post(t, s, "/sim/script", "").Body.Bytes(), &left); err != nil || len(left) != 2 {
		t.Errorf("left over: %v %v", left, err)
	}
	s.Reset()
	if w := post(t, s, "/v1/messages", bonjour); w.Code != 200 {
		t.Errorf("%d after a reset", w.Code)
	}
}

func TestStepsAreChecked(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for steps, says := range map[string]string{
		`{"status":503}`:                "array",
		`[{"sttus":503}]`:               "sttus",
		`[{"status":99}]`:               "200 to 599",
		`[{"status":"503"}]`:            "string",
		`[{"stall":"2"}]`:               "duration",
		`[{"delay":"-2s"}]`:             "duration",
		`[{"truncate":-1}]`:             "truncate",
		`[{"body":{}}]`:                 "status",
		`[{"endpoint":"/v1/x"}]`:        "/v1/x",
		`[{"output_tokens":-1}]`:        "output_tokens",
		`[{"ok":true},{"status":1000}]`: "1000",
		`[] []`:                         "more text",
	} {
		if w := post(t, s, "/sim/script", steps); w.Code != 400 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", steps, w.Code, w.Body)
		}
	}
	if err := s.Script(Step{Status: 3}); err == nil {
		t.Error("a status of 3 is taken")
	}
	if w := post(t, s, "/v1/chat/completions", hello); w.Code != 200 {
		t.Errorf("steps of a script that was refused are in force: %d", w.Code)
	}
}

// A limit comes first: a refused request leaves the script alone.
func TestLimitsComeBeforeTheScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{RPM: 1})
		script(t, s, `[{"ok":true},{"status":503}]`)
		var got []int
		for range 3 {
			got = append(got, post(t, s, "/v1/chat/completions", hello).Code)
			time.Sleep(30 * time.Second)
		}
		if diff := cmp.Diff([]int{200, 429, 503}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOverriddenUsageIsReportedAndCharged(t *testing.T) {
	t.Parallel()
	s := New(Options{Prices: map[string]Price{"m": {Input: 1, Output: 1_000_000}}})
	script(t, s, `[{"input_tokens":7,"output_tokens":1000000}]`)
	b := post(t, s, "/v1/chat/completions", `{"model":"m","messages":[{}],"max_tokens":5}`).Body.Bytes()
	if get(t, b, "usage.prompt_tokens") != 7 || get(t, b, "usage.completion_tokens") != 1_000_000 {
		t.Errorf("%s", b)
	}
	if stats := s.Stats(); stats.CostUSD != "1.000000000007" || stats.CostPico != "1000000000007" {
		t.Errorf("%+v", stats.Totals)
	}
}

// The same seed fails the same requests, in the share asked for and in every way.
func TestFailuresAreRepeatable(t *testing.T) {
	t.Parallel()
	kinds := func(seed int64) (list []string) {
		o := Options{Fail: 0.1, Seed: seed}
		for n := range int64(20_000) {
			st, fails := o.failure(n)
			if !fails {
				list = append(list, "")
				continue
			}
			list = append(list, fmt.Sprint(st.Status, st.Reset, st.Truncate > 0))
		}
		return list
	}
	first := kinds(1)
	if !cmp.Equal(first, kinds(1)) || cmp.Equal(first, kinds(2)) {
		t.Error("failures do not follow from the seed")
	}
	count := map[string]float64{}
	for _, k := range first {
		count[k]++
	}
	for kind, want := range map[string]float64{"429 false false": 750, "503 false false": 750, "0 true false": 250, "0 true true": 250} {
		if math.Abs(count[kind]-want) > want/4 {
			t.Errorf("%s: %v of 20,000, want about %v", kind, count[kind], want)
		}
	}
	if len(count) != 5 {
		t.Errorf("kinds %v", count)
	}
}

func TestFailEverything(t *testing.T) {
	t.Parallel()
	r, client := start(t, Options{Fail: 1})
	for range 60 {
		resp, err := client.Do(request1(t, r.URL(), "/v1/chat/completions", hello))
		if err != nil {
			continue
		}
		if _, err := io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode == http.StatusOK {
			t.Error("an answer came through")
		}
		_ = resp.Body.Close()
		if ra := resp.Header.Get("Retry-After"); resp.StatusCode == 429 && ra != "1" {
			t.Errorf("Retry-After is %q", ra)
		}
	}
	stats := r.Stats()
	if stats.Answered != 0 || stats.Limited != 0 || stats.ByStatus["429"] == 0 || stats.ByStatus["503"] == 0 || stats.ByStatus["none"] == 0 || stats.ByStatus["200"] == 0 {
		t.Errorf("%+v", stats.Totals)
	}
}
