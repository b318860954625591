package child_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/internal/child"
)

func TestEnviron(t *testing.T) {
	t.Parallel()
	key, password := rand.Text(), rand.Text()
	g := child.Gateway{URL: "http://127.0.0.1:9", Key: "once", Job: "j"}
	base := []string{
		"PATH=/bin", "EMPTY=", "WITH_EQUALS=a=b", "GEMINI_API_KEY=" + key, "MY_DATABASE=postgres://u:" + password + "@h/d", "OPENAI_BASE_URL=http://elsewhere", "OPENAI_API_KEY=" + key,
		"HTTPS_PROXY=http://proxy", "no_proxy=example.com", "XAI_API_KEY=",
	}
	secrets := []string{"postgres://u:" + password + "@h/d", "short"}
	got := child.Environ(base, secrets, []string{"GEMINI_API_KEY", "ANTHROPIC_API_KEY"}, g)
	for _, want := range []string{
		"PATH=/bin", "EMPTY=", "WITH_EQUALS=a=b", "GEMINI_API_KEY=" + key, "OPENAI_BASE_URL=http://127.0.0.1:9/v1", "OPENAI_API_KEY=once", "ANTHROPIC_BASE_URL=http://127.0.0.1:9",
		"no_proxy=example.com,127.0.0.1,localhost", "AUREA_EXEC_JOB=j",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	seen := map[string]bool{}
	for _, variable := range got {
		name, value, _ := strings.Cut(variable, "=")
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if strings.Contains(value, password) || value == key && name != "GEMINI_API_KEY" || name == "ANTHROPIC_API_KEY" {
			t.Errorf("%s is there", name)
		}
	}
	if names := child.Secret(base, secrets); !slices.Equal(names, []string{"GEMINI_API_KEY", "MY_DATABASE", "OPENAI_API_KEY"}) {
		t.Error(names)
	}
	if got := child.Environ([]string{"NO_PROXY=a"}, nil, nil, g); !slices.Contains(got, "NO_PROXY=a") || slices.ContainsFunc(got, func(v string) bool { return strings.HasPrefix(v, "no_proxy") }) {
		t.Error(got)
	}
}
