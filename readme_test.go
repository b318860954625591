package aurea_test

import (
	"os"
	"strings"
	"testing"
)

// The library's example in the README is what [Example] runs.
func TestReadmeExampleRuns(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, library, _ := strings.Cut(string(readme), "## As a library")
	_, block, ok := strings.Cut(library, "```go\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("the README has no Go block")
	}
	runs := strings.ReplaceAll(string(code), "\n\t", "\n")
	if !strings.Contains(runs, strings.TrimSpace(block)) {
		t.Errorf("the README's block is not in example_readme_test.go:\n%s", block)
	}
}
