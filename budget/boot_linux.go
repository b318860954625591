package budget

import (
	"os"
	"strings"
)

// bootID names this start of the machine; empty if it cannot be known, and then a journal proves nothing.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
