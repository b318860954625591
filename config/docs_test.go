package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"

	"github.com/andres20980/aurea-orchestrator/config"
)

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The example shows the defaults: with it or without it, the same is in force, apart from the
// providers, models and prices that it adds.
func TestExampleFile(t *testing.T) {
	t.Parallel()
	bare, w := newWorld(t), newWorld(t)
	w.home, w.env = bare.home, bare.env
	text := read(t, "../aurea.example.yaml")
	w.write("aurea.yaml", text)
	c, plain := w.mustLoad(), bare.mustLoad()
	if len(c.Providers) != 3 || len(c.Models) != 3 || len(c.Prices.Overrides) != 2 {
		t.Errorf("%d providers, %d models, %d prices", len(c.Providers), len(c.Models), len(c.Prices.Overrides))
	}
	if len(c.Notes()) != 3 {
		t.Errorf("without any variable: %q", c.Notes())
	}
	plain.Providers, plain.Models, plain.Prices = c.Providers, c.Models, c.Prices
	if diff := diffConfigs(plain, c); diff != "" {
		t.Error(diff)
	}
	for _, key := range config.Keys() {
		name := key[strings.LastIndex(key, ".")+1:]
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			t.Errorf("the example does not show %s", key)
		}
	}
}

// What is commented out in the example is valid too.
func TestExampleFileUncommented(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"AUREA_ADMIN_KEY", "OPENAI_API_KEY", "KEY_ONE", "KEY_TWO", "OPENAI_ORG", "ANTHROPIC_API_KEY"} {
		w.env[name] = "x-" + name
	}
	setting := regexp.MustCompile(`(?m)^( *)# ([a-z_]+:( .*)?)$`)
	text := setting.ReplaceAllString(read(t, "../aurea.example.yaml"), "$1$2")
	text = strings.ReplaceAll(text, "  #   route:", "    route:")
	text = strings.ReplaceAll(text, "also: cache_read", "# also: cache_read")
	w.write("aurea.yaml", text)
	c := w.mustLoad()
	p, _ := c.Provider("openai")
	if len(p.Keys) != 3 || p.Burst != 100 || len(c.Models) != 4 || c.Models[3].Route[0].Weight != 3 || c.Timezone.String() != "Europe/Madrid" {
		t.Errorf("%s", c)
	}
}

func TestExampleDotEnv(t *testing.T) {
	t.Parallel()
	bare, w := newWorld(t), newWorld(t)
	w.home, w.env = bare.home, bare.env
	text := read(t, "../.env.example")
	w.write(".env", text)
	if diff := diffConfigs(bare.mustLoad(), w.mustLoad()); diff != "" {
		t.Errorf("as it is: %s", diff)
	}
	// The values that are commented out are the defaults, save those that stand for no default.
	all, err := godotenv.Unmarshal(regexp.MustCompile(`(?m)^# ([A-Z_]+=)`).ReplaceAllString(text, "$1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range all {
		if !slices.Contains([]string{"ALLOWED_MODELS", "DENIED_MODELS", "AUREA_CONFIG", "AUREA_DATABASE"}, name) {
			w.env[name] = value
		}
	}
	if diff := diffConfigs(bare.mustLoad(), w.mustLoad()); diff != "" {
		t.Errorf("uncommented: %s", diff)
	}
	for _, name := range variables(t) {
		if _, ok := all[name]; !ok {
			t.Errorf(".env.example does not show %s", name)
		}
	}
}

// variables are the names the reference lists, which is checked against the code below.
func variables(t *testing.T) []string {
	t.Helper()
	_, section, _ := strings.Cut(read(t, "../docs/configuration.md"), "\n## Variables\n")
	var out []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) > 1 {
			out = append(out, regexp.MustCompile(`[A-Z]+_[A-Z_]+`).FindAllString(cells[1], -1)...)
		}
	}
	return out
}

func TestReferenceIsComplete(t *testing.T) {
	t.Parallel()
	text := read(t, "../docs/configuration.md")
	for _, key := range config.Keys() {
		if !strings.Contains(text, "`"+key+"`") {
			t.Errorf("docs/configuration.md does not explain %s", key)
		}
	}
	source := read(t, "environ.go") + read(t, "finish.go") + read(t, "sources.go")
	inCode := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([A-Z]+_[A-Z_]+)"`).FindAllStringSubmatch(source, -1) {
		if !strings.HasPrefix(m[1], "XDG_") {
			inCode[m[1]] = true
		}
	}
	listed := variables(t)
	for _, name := range listed {
		if !inCode[name] {
			t.Errorf("docs/configuration.md lists %s, which nobody reads", name)
		}
	}
	for name := range inCode {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/configuration.md does not list %s", name)
		}
	}
}

// The errors shown in the reference are the ones people see.
func TestReferenceShowsRealErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["MAX_JOB_COST"], w.env["OPENAI_API_KEY"] = "$5", "x"
	w.write("aurea.yaml", "limits:\n  default_rmp: 500\n  max_wait: 5\nmodels:\n  gpt-4o: {provider: opnai}\n")
	_, err := w.load()
	if err == nil || !strings.Contains(read(t, "../docs/configuration.md"), err.Error()+"\n```") {
		t.Errorf("the reference does not show:\n%v", err)
	}
}
