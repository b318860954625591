package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
)

// loadText loads a configuration file with that content, in a world without variables but those given.
func loadText(t *testing.T, text string, env map[string]string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	if text != "" {
		if err := os.WriteFile(filepath.Join(dir, "aurea.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(config.Options{Dir: dir, Environ: func(name string) (string, bool) {
		if name == "HOME" {
			return "/home/someone", true
		}
		v, ok := env[name]
		return v, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// flat returns the values of a configuration by their keys.
func flat(t *testing.T, cfg *config.Config) map[string]string {
	t.Helper()
	b, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(string, any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, v := range m {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
			return
		}
		out[path] = fmt.Sprint(v)
	}
	walk("", tree)
	return out
}

// place is where a key stands in the starter.
type place struct{ line int }

// places finds every key of a YAML text, with NAME for the operator's own names and [] for elements.
func places(t *testing.T, text string) map[string][]place {
	t.Helper()
	var doc yaml.Node
	text = regexp.MustCompile(`\$\{[A-Z_]+\}`).ReplaceAllString(text, "x") // braces have a meaning of their own in YAML
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string][]place{}
	own := []string{"providers", "models", "prices.overrides"}
	var walk func(string, *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				key := n.Content[i].Value
				if slices.Contains(own, path) {
					key = "NAME"
				}
				below := strings.TrimPrefix(path+"."+key, ".")
				out[below] = append(out[below], place{n.Content[i].Line})
				walk(below, n.Content[i+1])
			}
		case yaml.SequenceNode:
			for _, item := range n.Content {
				walk(path+"[]", item)
			}
		}
	}
	walk("", doc.Content[0])
	return out
}

var commentedOut = regexp.MustCompile(`(?m)^( *)# ((?:  )?[a-z0-9_]+:(?: .*)?)$`)

// The starter names every key, and each with its default: as its value, or in words beside it.
func TestStarterShowsEveryKeyWithItsDefault(t *testing.T) {
	t.Parallel()
	text := aurea.StarterConfig()
	whole := commentedOut.ReplaceAllString(text, "$1$2")
	lines := strings.Split(whole, "\n")
	at := places(t, whole)
	defaults := flat(t, loadText(t, "", nil))
	env := map[string]string{}
	for _, name := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(whole, -1) {
		env[name[1]] = "x-" + name[1]
	}
	shown := flat(t, loadText(t, whole, env))
	for _, key := range config.Keys() {
		where, ok := at[key]
		if !ok {
			t.Errorf("the starter does not show %s", key)
			continue
		}
		if want, ok := defaults[key]; ok && shown[key] == want {
			continue
		}
		if !slices.ContainsFunc(where, func(p place) bool { return saysDefault(lines, p.line-1) }) {
			t.Errorf("the starter does not say the default of %s: %q", key, lines[where[0].line-1])
		}
	}
}

// saysDefault reports whether the comment beside a line or right above it speaks of the default.
func saysDefault(lines []string, at int) bool {
	about := lines[at]
	for at--; at >= 0 && strings.HasPrefix(strings.TrimSpace(lines[at]), "#"); at-- {
		about += lines[at]
	}
	_, comment, _ := strings.Cut(about, "#")
	return strings.Contains(strings.ToLower(comment), "default:") || regexp.MustCompile(`(?i)default for`).MatchString(comment)
}

// What the starter leaves commented out changes nothing but what it adds by name.
func TestStarterIsTheDefaults(t *testing.T) {
	t.Parallel()
	got, want := flat(t, loadText(t, aurea.StarterConfig(), nil)), flat(t, loadText(t, "", nil))
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q with the starter and %q without", key, got[key], value)
		}
	}
}
