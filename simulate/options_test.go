package simulate

import (
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsSurviveJSON(t *testing.T) {
	t.Parallel()
	o := Options{
		RPM: 1, TPM: 2, InputTPM: 3, OutputTPM: 4, PerModel: map[string]Limits{"m": {RPM: 5}}, Concurrency: 6, Algo: algoBucket, BucketFraction: 0.02,
		Window: 7 * time.Second, TokenWindow: 8 * time.Second, Count: countSum, Refund: true, CountRefused: true, Headers: true,
		Latency: 9, LatencyJitter: 10, EventDelay: 11, Fail: 0.5, Seed: 12, StopOnHangup: true, Output: 13, Caching: true,
		Prices: map[string]Price{"m": {1, 2, 3, 4}}, DefaultPrice: Price{Input: 5, Output: 6}, Models: []string{"m"}, Detail: true,
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var back Options
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, back); diff != "" {
		t.Error(diff)
	}
	o.Keys = []string{"not told"}
	if text, _ := json.Marshal(o); strings.Contains(string(text), "not told") {
		t.Errorf("credentials in %s", text)
	}
}

func TestOptionsChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	s := New(Options{RPM: 2, Keys: []string{"anything"}, Prices: map[string]Price{"x": {Input: 1}}})
	for range 2 {
		post(t, s, "/v1/chat/completions", hello)
	}
	if w := post(t, s, "/v1/chat/completions", hello); w.Code != 429 {
		t.Fatalf("%d", w.Code)
	}
	w := post(t, s, "/sim/options", `{"rpm":3,"latency":"1ms","prices":{"y":{"input":"0.5","output":"1"}},"headers":true}`)
	if w.Code != 200 || get(t, w.Body.Bytes(), "rpm") != 3 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w = post(t, s, "/v1/chat/completions", hello)
	if w.Code != 200 || w.Header().Get("X-Ratelimit-Remaining-Requests") != "0" {
		t.Errorf("what counted before must count still: %d %v", w.Code, w.Header())
	}
	o := s.Options()
	if diff := cmp.Diff(map[string]Price{"y": {Input: 500_000, Output: 1_000_000}}, o.Prices); diff != "" || len(o.Keys) != 1 {
		t.Errorf("a map is replaced, the keys stay: %v %s", o.Keys, diff)
	}
	for body, says := range map[string]string{
		`{"latency":"-1s"}`: "duration", `{"fail":2}`: "fail", `{"algo":"leaky"}`: "sliding, bucket or fixed", `{"rmp":1}`: "rmp", `{"rpm":-1}`: "limit",
		`{"prices":{"m":{"input":"x"}}}`: "price", `[]`: "", `{"count":"all"}`: "count", `{"bucket_fraction":-1}`: "bucket_fraction", `{"output":99999}`: "output",
		`{"keys":["a"]}`: "keys",
	} {
		if w := post(t, s, "/sim/options", body); w.Code != 400 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if diff := cmp.Diff(o, s.Options()); diff != "" {
		t.Errorf("refused changes are in force:\n%s", diff)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	if _, err := Start("127.0.0.1:0", Options{Algo: "leaky"}); err == nil || !strings.Contains(err.Error(), "leaky") {
		t.Errorf("%v", err)
	}
	r, err := Start("127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(strings.TrimPrefix(r.URL(), "http://"), Options{}); err == nil {
		t.Error("two servers listen on one address")
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://")); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
	defer func() {
		if recover() == nil {
			t.Error("New takes options that are not valid")
		}
	}()
	New(Options{Fail: -1})
}

// Closing breaks off what is under way, and waits for it.
func TestCloseInFlight(t *testing.T) {
	t.Parallel()
	r, client := start(t, Options{Latency: time.Hour})
	failed := make(chan error)
	go func() {
		_, _, err := call(t, client, r, "/v1/chat/completions", hello)
		failed <- err
	}()
	for r.Stats().InFlight == 0 {
		runtime.Gosched()
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if stats := r.Stats(); stats.InFlight != 0 {
		t.Errorf("%d in flight after Close", stats.InFlight)
	}
	if err := <-failed; err == nil {
		t.Error("the call in flight was answered")
	}
}

// Options, script and statistics may be touched at any time (the race detector watches).
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	s := New(Options{RPM: 50, Headers: true, Refund: true})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				post(t, s, "/v1/chat/completions", hello)
			}
		})
	}
	for i := range 20 {
		post(t, s, "/sim/options", fmt.Sprintf(`{"rpm":%d,"algo":%q,"detail":true}`, 10+i, []string{algoBucket, algoFixed, algoSliding}[i%3]))
		post(t, s, "/sim/script", `[{"status":503}]`)
		post(t, s, "/stats?detail=1", "")
	}
	wg.Wait()
	if stats := s.Stats(); stats.Requests != 400 || stats.InFlight != 0 || stats.ByStatus["503"] == 0 && stats.Limited < 400-60 {
		t.Errorf("%+v", stats.Totals)
	}
}

func TestPerModelLimits(t *testing.T) {
	t.Parallel()
	s := New(Options{RPM: 1, PerModel: map[string]Limits{"free": {}, "two": {RPM: 2}}})
	for model, want := range map[string]int64{"one": 1, "two": 2, "free": 9} {
		for range 9 {
			post(t, s, "/v1/responses", `{"model":"`+model+`","input":"x"}`)
		}
		if ok := s.Stats().ByModel[model].OK; ok != want {
			t.Errorf("%s: %d let in, want %d", model, ok, want)
		}
	}
}
