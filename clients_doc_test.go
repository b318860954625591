package aurea_test

import (
	"os"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
)

// Every code of ours was tried with the clients of both formats. What they raise for it is compared by make compat.
func TestClientsPageHasEveryCode(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"OpenAI's", "Anthropic's"} {
		_, table, _ := strings.Cut(string(page), "### What is raised in "+format+" format\n")
		table, _, _ = strings.Cut(table, "\n#")
		for _, code := range aurea.Codes() {
			if !strings.Contains(table, "| [`"+string(code)+"`](troubleshooting.md#"+string(code)+") |") {
				t.Errorf("the table of %s format does not have %s; add it to compat/scenarios.go and run make compat WRITE=1", format, code)
			}
		}
		if strings.Contains(table, "|  |") || strings.Contains(table, "fails") {
			t.Errorf("the table of %s format has an empty cell, or one that fails", format)
		}
	}
}
