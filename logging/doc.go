// Package logging makes structured loggers that cannot leak: whatever is logged passes the redactor
// before it is written.
//
//	log := logging.New(os.Stderr, logging.Options{Level: slog.LevelInfo, Format: "json"})
//	log.Info("mail sent", "to", "user@example.com", "api_key", key)
//	// {"time":…,"level":"INFO","msg":"mail sent","to":"[EMAIL_REDACTED]","api_key":"[REDACTED]"}
//
// [NewHandler] puts the same in front of any slog.Handler, and [Writer] in front of whatever writes
// lines of text: the log package, a child process, a library of someone else.
//
// Attributes are resolved before they are redacted: a slog.LogValuer, an error, a fmt.Stringer, a
// struct. What panics while it is asked for its text becomes a remark in the log and never an outage.
package logging
