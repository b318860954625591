package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/andres20980/aurea-orchestrator/redact"
)

// Options configure [New].
type Options struct {
	// Level is the least level written. The default, nil, is slog.LevelInfo. A *slog.LevelVar can be
	// changed later.
	Level slog.Leveler
	// Format is "json" (the default), one object a line, or "text", key=value pairs.
	Format string
	// Redactor is what everything passes. The default, nil, masks credentials and personal data.
	Redactor *redact.Redactor
}

// New returns a logger that writes redacted records to w. It is safe for concurrent use; each record
// is one call of w.Write.
func New(w io.Writer, opts Options) *slog.Logger {
	ho := &slog.HandlerOptions{Level: opts.Level}
	var inner slog.Handler
	if strings.EqualFold(opts.Format, "text") {
		inner = slog.NewTextHandler(w, ho)
	} else {
		inner = slog.NewJSONHandler(w, ho)
	}
	return slog.New(NewHandler(inner, opts.Redactor))
}

// ParseLevel reads a level: debug, info, warn, warning or error, in any case.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("unknown log level %q: use debug, info, warn, warning or error", s)
}
