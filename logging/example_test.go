package logging_test

import (
	"log/slog"
	"os"

	"github.com/andres20980/aurea-orchestrator/logging"
	"github.com/andres20980/aurea-orchestrator/redact"
)

func ExampleNewHandler() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the same output every day
			}
			return a
		},
	})
	log := slog.New(logging.NewHandler(plain, redact.Default()))
	log.Info("mail to user@example.com sent", "client_secret", "abc", "max_tokens", 4096)
	// Output: level=INFO msg="mail to [EMAIL_REDACTED] sent" client_secret=[REDACTED] max_tokens=4096
}
