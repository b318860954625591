package aurea_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/andres20980/aurea-orchestrator"

// The arrows of the design: who may import whom. A package may import those it lists and the standard library's and other modules' (drivers
// apart, see below). What is not listed here fails, so that a new package is a decision.
var arrows = map[string][]string{
	"money":                   {},
	"pricing":                 {"money"},
	"pricing/internal/gen":    {},
	"usage":                   {"internal/wire", "money", "pricing"},
	"store":                   {"money"},
	"budget":                  {"money", "store"},
	"ratelimit":               {},
	"breaker":                 {},
	"retry":                   {},
	"redact":                  {},
	"redact/mask":             {"internal/wire", "redact"},
	"redact/internal/corpus":  {},
	"tokens":                  {},
	"internal/wire":           {},
	"policy":                  {},
	"config":                  {"money"},
	"logging":                 {"redact"},
	"simulate":                {},
	"":                        {"money", "pricing", "usage", "store", "budget", "ratelimit", "breaker", "retry", "redact", "redact/mask", "policy", "store/memory", "internal/wire"},
	"provider":                {"", "provider/internal/h1", "retry", "usage"},
	"provider/internal/h1":    {},
	"provider/openai":         {"", "provider", "retry", "usage"},
	"provider/anthropic":      {"", "provider", "retry", "usage"},
	"provider/providertest":   {"", "retry", "usage"},
	"store/memory":            {"money", "store", "store/internal/protocol"},
	"store/sqlite":            {"money", "store", "store/internal/protocol"},
	"store/postgres":          {"money", "store", "store/internal/protocol"},
	"store/internal/protocol": {"money", "store"},
	"internal/pgtest":         {},
	"store/storetest":         {"money", "store"},
	"batch":                   {"", "budget", "store", "usage", "ratelimit"},
	"gateway":                 {"", "budget", "money", "ratelimit", "usage"},
	"observe":                 {"", "breaker", "money"},
	"internal/jobs":           {"", "budget", "money", "store"},
	"gateway/admin":           {"", "breaker", "budget", "internal/jobs", "money", "ratelimit", "store"},
	"internal/progress":       {"money"},
	"setup": {
		"", "breaker", "config", "policy", "pricing", "provider/anthropic", "provider/openai", "ratelimit", "redact", "retry", "tokens", "usage",
	},
	"aureatest":      {"", "budget", "money", "pricing", "provider/anthropic", "provider/openai", "retry", "simulate", "store", "store/memory", "usage"},
	"internal/app":   {"", "budget", "config", "gateway", "gateway/admin", "internal/jobs", "logging", "money", "observe", "pricing", "redact", "setup", "simulate", "store", "store/postgres", "store/sqlite"},
	"verify":         {"money", "store"},
	"internal/child": {},
	"internal/cli":   {"", "batch", "budget", "config", "gateway", "internal/app", "internal/child", "internal/jobs", "internal/progress", "logging", "money", "pricing", "redact", "simulate", "store", "usage", "verify"},
	"cmd/aurea":      {"internal/cli"},
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, line := range list(t, `{{.ImportPath}}|{{join .Imports " "}}`, "./...") {
		pkg, imports, _ := strings.Cut(line, "|")
		pkg = short(pkg)
		if strings.HasPrefix(pkg, "examples") || strings.HasPrefix(pkg, "e2e") {
			continue // programs that use everything
		}
		allowed, known := arrows[pkg]
		if !known {
			t.Errorf("package %q is not in the table of arrows", pkg)
			continue
		}
		for imp := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imp, module) && !slices.Contains(allowed, short(imp)) {
				t.Errorf("%q must not import %q", pkg, short(imp))
			}
		}
	}
}

// A program that imports the library links no driver it did not choose.
func TestRootLinksNoDriver(t *testing.T) {
	t.Parallel()
	for _, dep := range list(t, "{{.ImportPath}}", "-deps", ".") {
		for _, driver := range []string{"modernc.org/sqlite", "database/sql", "github.com/jackc/pgx", "github.com/spf13/cobra", "charm.land/", "github.com/tiktoken-go/"} {
			if strings.HasPrefix(dep, driver) {
				t.Errorf("the root package links %s", dep)
			}
		}
	}
}

func list(t *testing.T, format string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func short(pkg string) string { return strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/") }
