//go:build race

package redact

// raceEnabled: the race detector makes pools drop what they hold, and everything slow.
const raceEnabled = true
