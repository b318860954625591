package config

import (
	"log/slog"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
)

// The providers' own addresses, from their public API references.
const (
	openAIBaseURL    = "https://api.openai.com/v1"
	anthropicBaseURL = "https://api.anthropic.com"
)

// defaults returns what holds where nothing is set. Database has no entry: its default depends on the
// environment.
func defaults() *Config {
	return &Config{
		Listen:   "127.0.0.1:8080",
		Timezone: time.UTC,
		Limits: Limits{
			DefaultRPM: 60,
			DefaultTPM: 100_000,
			MaxWait:    120 * time.Second,
			MaxBody:    50_000_000,
		},
		Budget: Budget{
			MaxJobCost:     money.Sum{Dollars: 10},
			UnboundedInput: "max",
			Bound:          "tight",
			Unconfirmed:    "keep",
			OutputCap:      OutputCap{Default: 4096, Floor: 1024, ReasoningDefault: 32768, ReasoningFloor: 8192},
		},
		Retry: Retry{
			MaxRetries: 3,
			BaseDelay:  time.Second,
			MaxDelay:   60 * time.Second,
			Budget:     RetryBudget{Ratio: 0.1, Burst: 1000},
		},
		PII: "off",
		Breaker: Breaker{
			Threshold:    5,
			FailureRatio: 0.5,
			MinCalls:     20,
			Window:       10 * time.Second,
			Timeout:      60 * time.Second,
			MaxTimeout:   120 * time.Second,
		},
		Timeouts: Timeouts{Request: 600 * time.Second, FirstByte: 120 * time.Second, IdleStream: 60 * time.Second},
		Logging:  Logging{Level: slog.LevelInfo, Format: "json", RedactPII: true},
	}
}
