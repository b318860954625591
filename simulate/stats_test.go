package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The bill is the sum of the usages that the answers reported, and the totals are the sum of the models, under load from many clients.
func TestTheBill(t *testing.T) {
	t.Parallel()
	prices := map[string]Price{"a": {Input: 3, Output: 7}, "b": {Input: 1_000_003, Output: 999_999_999_989}}
	r, client := start(t, Options{Prices: prices, Detail: true, Fail: 0.2, Seed: 3})
	var mu sync.Mutex
	want := map[string]*big.Int{"a": new(big.Int), "b": new(big.Int)}
	seen := 0
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				model := string(rune('a' + i%2))
				status, b, err := call(t, client, r, "/v1/responses", fmt.Sprintf(`{"model":%q,"input":"[[%d-%d]]"}`, model, worker, i%40))
				if err != nil || status != http.StatusOK {
					continue
				}
				in, _ := get(t, b, "usage.input_tokens").(int)
				out, _ := get(t, b, "usage.output_tokens").(int)
				p := prices[model]
				cost := new(big.Int).Mul(big.NewInt(int64(in)), big.NewInt(p.Input))
				cost.Add(cost, new(big.Int).Mul(big.NewInt(int64(out)), big.NewInt(p.Output)))
				mu.Lock()
				want[model].Add(want[model], cost)
				seen++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stats := r.Stats()
	sum, cut := new(big.Int), new(big.Int)
	for name, m := range stats.ByModel {
		cost, ok := new(big.Int).SetString(m.CostPico, 10)
		if !ok {
			t.Fatal(m.CostPico)
		}
		sum.Add(sum, cost)
		cut.Add(cut, cost.Sub(cost, want[name]))
	}
	if sum.String() != stats.CostPico {
		t.Errorf("models cost %v, all %s", sum, stats.CostPico)
	}
	log, unanswered := new(big.Int), new(big.Int)
	for _, l := range stats.Log {
		cost, _ := new(big.Int).SetString(l.CostPico, 10)
		log.Add(log, cost)
		if !l.Answered {
			unanswered.Add(unanswered, cost)
		}
		if !strings.Contains(l.Marker, "-") || l.EndedAt.Before(l.At) {
			t.Errorf("logged %+v", l)
		}
	}
	if log.Cmp(sum) != 0 || unanswered.Cmp(cut) != 0 {
		t.Errorf("the log says %v of %v, and %v of %v for what clients did not get whole", log, sum, unanswered, cut)
	}
	ended := int64(0)
	for _, n := range stats.ByStatus {
		ended += n
	}
	if stats.Requests != 400 || ended != 400 || len(stats.Log) != 400 || stats.InFlight != 0 || stats.Answered != int64(seen) {
		t.Errorf("%d requests, %d ended, %d logged, %d in flight, %d of %d answered", stats.Requests, ended, len(stats.Log), stats.InFlight, stats.Answered, seen)
	}
	if stats.Distinct != 8*40 || len(stats.Repeats) != 8*10 {
		t.Errorf("%d distinct, %d came again", stats.Distinct, len(stats.Repeats))
	}
}

// A provider does not notice that its client has left, and charges what it generates; unless it is told to.
func TestClientHangsUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options Options
		body    string
		ok      int64
		all     bool // of the output is charged
	}{
		"while it waits":        {Options{Latency: time.Second}, hello, 1, true},
		"and stops it":          {Options{Latency: time.Second, StopOnHangup: true}, hello, 0, false},
		"in a stream":           {Options{EventDelay: 100 * time.Millisecond}, strings.Replace(hello, `"model"`, `"stream":true,"model"`, 1), 1, true},
		"in a stream, stops it": {Options{EventDelay: 100 * time.Millisecond, StopOnHangup: true}, strings.Replace(hello, `"model"`, `"stream":true,"model"`, 1), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				whole := New(Options{})
				post(t, whole, "/v1/chat/completions", c.body)
				s := New(c.options)
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				s.ServeHTTP(httptest.NewRecorder(), request1(t, "", "/v1/chat/completions", c.body).WithContext(ctx))
				stats, all := s.Stats(), whole.Stats().OutputTokens
				if stats.OK != c.ok || stats.Answered != 0 || stats.InFlight != 0 || (stats.OutputTokens == all) != c.all {
					t.Errorf("%+v, of %d tokens", stats.Totals, all)
				}
				if c.ok == 1 && stats.OutputTokens < all/10 {
					t.Errorf("only %d of %d tokens charged", stats.OutputTokens, all)
				}
			})
		})
	}
}

func TestMemoryIsBoundedWithoutDetail(t *testing.T) {
	t.Parallel()
	s := New(Options{RPM: 5})
	for i := range 3 * maxModels {
		post(t, s, "/v1/responses", fmt.Sprintf(`{"model":"m%d","input":"x"}`, i))
	}
	stats := s.Stats()
	if len(stats.ByModel) > maxModels+1 || len(s.accounts) > maxModels+1 || len(stats.Log) != 0 || len(s.counts.bodies) != 0 {
		t.Errorf("%d models, %d accounts, %d logged", len(stats.ByModel), len(s.accounts), len(stats.Log))
	}
	sum := int64(0)
	for _, m := range stats.ByModel {
		sum += m.Requests
	}
	if sum != 3*maxModels {
		t.Errorf("%d requests in models", sum)
	}
}

func TestStatsEndpoint(t *testing.T) {
	t.Parallel()
	s := New(Options{Detail: true})
	post(t, s, "/v1/chat/completions", hello)
	var brief, full Stats
	for path, to := range map[string]*Stats{"/stats": &brief, "/sim/stats?detail=1": &full} {
		if err := json.Unmarshal(post(t, s, path, "").Body.Bytes(), to); err != nil {
			t.Fatal(err)
		}
	}
	if brief.Log != nil || len(full.Log) != 1 || full.Log[0].Model != "gpt-4o-mini" {
		t.Errorf("%d and %d logged", len(brief.Log), len(full.Log))
	}
	if diff := cmp.Diff(s.Stats(), full); diff != "" {
		t.Errorf("the endpoint says other than Stats:\n%s", diff)
	}
	if w := post(t, s, "/sim/reset", `{}`); w.Code != 200 || s.Stats().Requests != 0 {
		t.Errorf("%d, %+v", w.Code, s.Stats().Totals)
	}
	if w := post(t, s, "/sim/nothing", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "/sim/script") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A reset while calls are under way leaves no trace of them.
func TestResetInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Latency: time.Second, Detail: true})
		go post(t, s, "/v1/chat/completions", hello)
		synctest.Wait()
		s.Reset()
		if stats := s.Stats(); stats.InFlight != 1 || stats.PeakInFlight != 1 || stats.Requests != 0 {
			t.Errorf("%+v", stats)
		}
		time.Sleep(2 * time.Second)
		if stats := s.Stats(); stats.InFlight != 0 || stats.OK != 0 || stats.CostPico != "0" || len(stats.ByStatus) != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0": 0, "0.15": 150_000, "15": 15_000_000, "2.50": 2_500_000, "0.000001": 1, "0.0000010": 1, "1000000": maxPrice} {
		p, err := PerMillion(text, "0")
		if err != nil || p.Input != want {
			t.Errorf("%s: %d %v", text, p.Input, err)
		}
	}
	for _, text := range []string{"", "-1", "1e3", "0.0000001", "x", "1.2.3", "1000001", "99999999999999999999", "+1", " 1"} {
		if p, err := PerMillion(text, "0"); err == nil {
			t.Errorf("%q is taken as %d", text, p.Input)
		}
	}
	var m money
	for range 3 {
		m.addTokens(1<<50, maxPrice)
		m.addTokens(1, 1)
	}
	if m.text() != "3377699720527872.000000000003" || m.picoText() != "3377699720527872000000000003" {
		t.Errorf("%s %s", m.text(), m.picoText())
	}
}
