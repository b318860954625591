package usage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/andres20980/aurea-orchestrator/usage"
)

// A request looked through, beside a bare decode of the same bytes that checks nothing and takes three fields.
func BenchmarkPeek(b *testing.B) {
	for _, api := range []usage.API{usage.Chat, usage.Responses, usage.Messages, usage.Gemini} {
		for _, size := range []int{10_000, 200_000} {
			body := []byte(normalRequest(api, size))
			b.Run(fmt.Sprintf("%s/%dKB/ReadRequest", api, size/1000), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := usage.ReadRequest(api, body); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%dKB/encoding-json", api, size/1000), func(b *testing.B) {
				bare(b, body, func() any {
					return new(struct {
						Model     string `json:"model"`
						MaxTokens int    `json:"max_tokens"` //nolint:tagliatelle // the provider's name
						Stream    bool   `json:"stream"`
					})
				})
			})
		}
	}
}

// The usage of an answer of 2 KB, beside a bare decode.
func BenchmarkUsage(b *testing.B) {
	for _, api := range apis {
		body := []byte(normalAnswer(api, 2_000))
		b.Run(string(api)+"/Parse", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := usage.Parse(api, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(api)+"/encoding-json", func(b *testing.B) {
			bare(b, body, func() any {
				return new(struct {
					Usage struct {
						In  int `json:"prompt_tokens"`     //nolint:tagliatelle // the provider's name
						Out int `json:"completion_tokens"` //nolint:tagliatelle // the provider's name
					} `json:"usage"`
				})
			})
		})
	}
}

func bare(b *testing.B, body []byte, target func() any) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(body, target()); err != nil {
			b.Fatal(err)
		}
	}
}

// A stream of 1 MB metered while it passes.
func BenchmarkStream(b *testing.B) {
	for _, api := range []usage.API{usage.Chat, usage.Responses, usage.Messages, usage.Gemini} {
		stream := normalStream(api, 1<<20)
		b.Run(string(api), func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				readStream(api, stream)
			}
		})
	}
}

// Hostile bodies of 200 KB, all of them in each round. The metric is how many times as long the dearest takes as a body that means well, byte by byte; the
// log names it.
func BenchmarkHostile(b *testing.B) {
	const size = 200_000
	requests, answers, streams := hostileRequests(size), hostileAnswers(size), hostileStreams(size)
	for kind, c := range map[string]struct {
		bodies func(usage.API) map[string]string
		normal func(usage.API, int) string
		read   func(usage.API, string)
	}{
		"requests": {func(usage.API) map[string]string { return requests }, normalRequest, func(api usage.API, s string) { _, _ = usage.ReadRequest(api, []byte(s)) }},
		"answers":  {func(api usage.API) map[string]string { return answers[api] }, normalAnswer, func(api usage.API, s string) { _, _ = usage.Parse(api, []byte(s)) }},
		"streams":  {func(usage.API) map[string]string { return streams }, normalStream, readStream},
	} {
		b.Run(kind, func(b *testing.B) {
			pace := make(map[string]float64) // nanoseconds a byte, at best
			measure := func(name string, api usage.API, body string) {
				start := time.Now()
				c.read(api, body)
				took := float64(time.Since(start)) / float64(len(body))
				if best, ok := pace[name]; !ok || took < best {
					pace[name] = took
				}
			}
			for b.Loop() {
				for _, api := range apis {
					measure(string(api), api, c.normal(api, size))
					for name, body := range c.bodies(api) {
						measure(string(api)+"/"+name, api, body)
					}
				}
			}
			worst, times := "", 0.0
			for name, took := range pace {
				api, _, _ := strings.Cut(name, "/")
				if ratio := took / pace[api]; ratio > times {
					worst, times = name, ratio
				}
			}
			b.ReportMetric(times, "times-normal")
			b.Logf("the dearest: %s", worst)
		})
	}
}
