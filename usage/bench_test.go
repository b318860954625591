package usage_test

import (
	"encoding/json"
	"fmt"
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

// Hostile bodies of 200 KB. The metric "normal" is how many times as long each takes as a body that means well, byte by byte.
func BenchmarkHostile(b *testing.B) {
	const size = 200_000
	against := func(name, body, normal string, read func(string)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				read(body)
			}
			hostile := float64(b.Elapsed()) / float64(b.N) / float64(len(body))
			start, rounds := time.Now(), 0
			for ; rounds < 3 || time.Since(start) < 20*time.Millisecond; rounds++ {
				read(normal)
			}
			b.ReportMetric(hostile/(float64(time.Since(start))/float64(rounds)/float64(len(normal))), "normal")
		})
	}
	for _, api := range apis {
		for name, body := range hostileRequests(size) {
			against("request/"+string(api)+"/"+name, body, normalRequest(api, size), func(s string) { _, _ = usage.ReadRequest(api, []byte(s)) })
		}
		for name, body := range hostileAnswers(size)[api] {
			against("answer/"+string(api)+"/"+name, body, normalAnswer(api, size), func(s string) { _, _ = usage.Parse(api, []byte(s)) })
		}
		for name, body := range hostileStreams(size) {
			against("stream/"+string(api)+"/"+name, body, normalStream(api, size), func(s string) { readStream(api, s) })
		}
	}
}
