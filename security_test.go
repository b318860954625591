package aurea_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SECURITY.md names the tests and rules that show what it says. They are there, and each rule has cases that prove it.
func TestThreatModelIsShown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			defined[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
	if len(named) < 40 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if !defined[string(m[1])] {
			t.Errorf("SECURITY.md names %s, which is not there", m[1])
		}
	}
	const rules = "tools/semgrep/rules"
	for _, m := range regexp.MustCompile("rule `([a-z-]+)`").FindAllSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(rules, string(m[1])+".yaml")); err != nil {
			t.Errorf("SECURITY.md names the rule %s: %v", m[1], err)
		}
	}
	files, err := os.ReadDir(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, isRule := strings.CutSuffix(f.Name(), ".yaml")
		if !isRule {
			continue
		}
		cases, err := os.ReadFile(filepath.Join(rules, name+".go"))
		if err != nil || !strings.Contains(string(cases), "// ruleid: "+name+"\n") || !strings.Contains(string(cases), "// ok: "+name+"\n") {
			t.Errorf("the rule %s has no good and bad case: %v", name, err)
		}
	}
}
