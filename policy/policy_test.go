package policy_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/policy"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"gpt-4", "gpt-4", true},
		{"gpt-4", "gpt-4o", false}, // never by prefix
		{"gpt-4o", "gpt-4", false},
		{"gpt-4*", "gpt-4", true},
		{"gpt-4?", "gpt-4o", true},
		{"gpt-4?", "gpt-4", false},
		{"gpt-4?", "gpt-4oo", false},
		{"*", "", true},
		{"", "", true},
		{"", "x", false},
		{"?", "", false},
		{"*-mini", "gpt-4o-mini", true},
		{"*-mini", "gpt-4o-mini-2024", false},
		{"openai/*", "openai/gpt-4o", true},
		{"*/gpt-*", "openai/org/gpt-4o", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"**", "x", true},
		{"claude-[34]", "claude-3", false}, // no classes
		{"claude-[34]", "claude-[34]", true},
		{"GPT-4", "gpt-4", false},
		{"modell-?", "modell-é", true},
		{"?", "\xff", true},
		{"gpt-4", "gpt-4\n", false},
		{"a?c", "a*c", true},
	} {
		if got := policy.Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

// A pattern means the same as the regular expression it can be written as.
func TestMatchAgreesWithRegexp(t *testing.T) {
	t.Parallel()
	text := func(alphabet string) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune(alphabet)), 0, 12, -1)
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern, name := text("ab*?é.").Draw(t, "pattern"), text("abé.*").Draw(t, "name")
		if got, want := policy.Match(pattern, name), reference(pattern).MatchString(name); got != want {
			t.Fatalf("Match(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}

func reference(pattern string) *regexp.Regexp {
	expr := regexp.QuoteMeta(pattern)
	expr = strings.ReplaceAll(expr, `\*`, `.*`)
	expr = strings.ReplaceAll(expr, `\?`, `.`)
	return regexp.MustCompile(`(?s)\A` + expr + `\z`)
}

func FuzzMatch(f *testing.F) {
	f.Add("claude-*", "claude-3-opus")
	f.Add("?*?", "\xff\x00é")
	f.Add("a*a*a*a*b", strings.Repeat("a", 50))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		got := policy.Match(pattern, name)
		if !policy.IsGlob(pattern) && got != (pattern == name) {
			t.Fatalf("Match(%q, %q) = %v without a wildcard", pattern, name, got)
		}
		if got && !policy.Match(pattern+"*", name+"x") {
			t.Fatalf("%q matches %q but not with a * behind it", pattern, name)
		}
	})
}

// Names come from strangers: what makes a careless matcher run for years must take no time here.
func TestMatchStaysFast(t *testing.T) { // not parallel: AllocsPerRun
	if policy.Match(strings.Repeat("a*", 40)+"b", strings.Repeat("a", 100_000)) {
		t.Error("matched")
	}
	if n := testing.AllocsPerRun(10, func() { policy.Match("*a?c*", "xxabcxx") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	rules := policy.Rules{Allowed: []string{"gpt-4o", "claude-*"}, Denied: []string{"claude-3-opus", "*-preview"}}
	for name, want := range map[string]string{
		"gpt-4o":           "",
		"claude-3-haiku":   "",
		"gpt-4o-mini":      `model "gpt-4o-mini" is not in policy.allowed_models (gpt-4o, claude-*); add its name there to allow it`,
		"claude-3-opus":    `model "claude-3-opus" is denied by the entry "claude-3-opus" of policy.denied_models`,
		"claude-x-preview": `model "claude-x-preview" is denied by the entry "*-preview" of policy.denied_models`,
	} {
		err := rules.Check(name)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want || (err != nil) != errors.Is(err, policy.ErrNotAllowed) {
			t.Errorf("Check(%q) = %q, want %q", name, got, want)
		}
	}
	if err := (policy.Rules{}).Check("anything"); err != nil {
		t.Error(err)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	two := policy.Route{Targets: []policy.Target{{Provider: "openai", Model: "gpt-4o"}, {Provider: "local", Model: "qwen3"}}}
	one := policy.Route{Targets: two.Targets[:1]}
	for _, c := range []struct {
		name          string
		rules         policy.Rules
		requested     string
		route         policy.Route
		want, refusal string
	}{
		{"no rules", policy.Rules{}, "fast", two, "openai/gpt-4o local/qwen3", ""},
		{"alias allowed, targets not named", policy.Rules{Allowed: []string{"fast"}}, "fast", two, "openai/gpt-4o local/qwen3", ""},
		{"alias not allowed, one target is", policy.Rules{Allowed: []string{"qwen3"}}, "fast", two, "local/qwen3", ""},
		{"other spelling of an allowed model", policy.Rules{Allowed: []string{"gpt-4o"}}, "openai/gpt-4o", one, "openai/gpt-4o", ""},
		{"nothing allowed", policy.Rules{Allowed: []string{"o3"}}, "fast", two, "", "is not in policy.allowed_models (o3)"},
		{"denied name", policy.Rules{Denied: []string{"fast"}}, "fast", two, "", `"fast" is denied by the entry "fast"`},
		{"denied target leaves the failover", policy.Rules{Denied: []string{"gpt-4o"}}, "fast", two, "local/qwen3", ""},
		{"denied target through another spelling", policy.Rules{Denied: []string{"gpt-4o"}}, "openai/gpt-4o", one, "", `"openai/gpt-4o" is denied by the entry "gpt-4o"`},
		{"denied provider", policy.Rules{Denied: []string{"openai/*"}}, "gpt-4o", one, "", `denied by the entry "openai/*"`},
		{"denied wins over allowed alias", policy.Rules{Allowed: []string{"*"}, Denied: []string{"gpt-4o", "qwen3"}}, "fast", two, "", "denied by"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			route, err := c.rules.Apply(c.requested, c.route)
			if c.refusal != "" {
				if !errors.Is(err, policy.ErrNotAllowed) || !strings.Contains(err.Error(), c.refusal) {
					t.Fatalf("got %v, want %q", err, c.refusal)
				}
				return
			}
			if err != nil || targets(route.Targets) != c.want {
				t.Fatalf("got %s, %v; want %s", targets(route.Targets), err, c.want)
			}
		})
	}
	if len(two.Targets) != 2 || two.Targets[0].Model != "gpt-4o" {
		t.Error("Apply changed its argument")
	}
}

// Whatever the rules, a denied name is never among the targets that are left.
func TestNothingDeniedIsReached(t *testing.T) {
	t.Parallel()
	names := []string{"a", "ab", "b", "p/a", "q/b", "a*", "*b", "p/*", "?"}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom(names), 0, 3)
		rules := policy.Rules{Allowed: list.Draw(t, "allowed"), Denied: list.Draw(t, "denied")}
		var route policy.Route
		for range rapid.IntRange(1, 4).Draw(t, "targets") {
			route.Targets = append(route.Targets, policy.Target{
				Provider: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "provider"),
				Model:    rapid.SampledFrom(names[:3]).Draw(t, "model"),
			})
		}
		requested := rapid.SampledFrom(names[:5]).Draw(t, "requested")
		got, err := rules.Apply(requested, route)
		if err != nil {
			return
		}
		for _, target := range got.Targets {
			for _, denied := range rules.Denied {
				for _, name := range []string{requested, target.Model, target.Provider + "/" + target.Model} {
					if policy.Match(denied, name) {
						t.Fatalf("%q reaches %q, which %q denies", requested, name, denied)
					}
				}
			}
		}
	})
}

func targets(list []policy.Target) string {
	var out []string
	for _, t := range list {
		out = append(out, t.Provider+"/"+t.Model)
	}
	return strings.Join(out, " ")
}

func catalogue(model string) (string, bool) {
	switch {
	case strings.HasPrefix(model, "gpt-"):
		return "openai", true
	case strings.HasPrefix(model, "claude-"):
		return "anthropic", true
	case strings.HasPrefix(model, "gemini-"):
		return "google", true
	}
	return "", false
}

func testRouter() *policy.Router {
	return policy.NewRouter(
		[]policy.Provider{{Name: "openai", API: policy.OpenAI}, {Name: "anthropic", API: policy.Anthropic}, {Name: "local", API: policy.OpenAI}},
		[]policy.Model{
			{Key: "gpt-4o", Provider: "openai"},
			{Key: "gpt-*", Provider: "local", Upstream: "qwen3"},
			{Key: "gpt-5*", Provider: "openai"}, // never reached: the glob before it matches first
			{Key: "meta-llama/Llama-3", Provider: "local"},
			{Key: "openai/pinned", Provider: "openai", Upstream: "pinned-2024"},
			{Key: "fast", Route: []policy.RouteTarget{{Provider: "openai", Model: "gpt-4o"}, {Provider: "local", Model: "tiny"}}},
			{Key: "both", Route: []policy.RouteTarget{{Provider: "anthropic", Model: "claude-3-haiku"}, {Provider: "local", Model: "tiny"}}},
			{Key: "claude-3-haiku"}, // settings only
			{Key: "ghost", Provider: "nowhere"},
		}, catalogue)
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := testRouter()
	type targetList = []policy.Target
	for _, c := range []struct {
		model, format string
		want          policy.Route
	}{
		{"gpt-4o", policy.OpenAI, policy.Route{Entry: "gpt-4o", Targets: targetList{{Provider: "openai", Model: "gpt-4o", Settings: "gpt-4o"}}}},
		{"gpt-5", policy.OpenAI, policy.Route{Entry: "gpt-*", Targets: targetList{{Provider: "local", Model: "qwen3", Settings: "gpt-*"}}}},
		{"meta-llama/Llama-3", policy.OpenAI, policy.Route{Entry: "meta-llama/Llama-3", Targets: targetList{{Provider: "local", Model: "meta-llama/Llama-3", Settings: "meta-llama/Llama-3"}}}},
		{"openai/pinned", policy.OpenAI, policy.Route{Entry: "openai/pinned", Targets: targetList{{Provider: "openai", Model: "pinned-2024", Settings: "openai/pinned"}}}},
		{"openai/gpt-4o", policy.OpenAI, policy.Route{Targets: targetList{{Provider: "openai", Model: "gpt-4o", Settings: "gpt-4o"}}}},
		{"openai/org/x", policy.OpenAI, policy.Route{Targets: targetList{{Provider: "openai", Model: "org/x"}}}},
		{"local/gpt-4o", policy.OpenAI, policy.Route{Targets: targetList{{Provider: "local", Model: "gpt-4o"}}}},
		{"claude-3-opus", policy.Anthropic, policy.Route{Targets: targetList{{Provider: "anthropic", Model: "claude-3-opus"}}}},
		{"claude-3-haiku", policy.Anthropic, policy.Route{Entry: "claude-3-haiku", Targets: targetList{{Provider: "anthropic", Model: "claude-3-haiku", Settings: "claude-3-haiku"}}}},
		{"unheard-of", policy.Anthropic, policy.Route{Targets: targetList{{Provider: "anthropic", Model: "unheard-of"}}}},
		{"fast", policy.OpenAI, policy.Route{Entry: "fast", Targets: targetList{
			{Provider: "openai", Model: "gpt-4o", Settings: "gpt-4o"}, {Provider: "local", Model: "tiny", Settings: "fast"},
		}}},
		{"both", policy.Anthropic, policy.Route{Entry: "both", Targets: targetList{{Provider: "anthropic", Model: "claude-3-haiku", Settings: "claude-3-haiku"}}}},
		{"both", policy.OpenAI, policy.Route{Entry: "both", Targets: targetList{{Provider: "local", Model: "tiny", Settings: "both"}}}},
	} {
		got, err := r.Resolve(c.model, c.format)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("Resolve(%q, %s): %v\n%s", c.model, c.format, err, diff)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	t.Parallel()
	r := testRouter()
	for _, c := range []struct {
		router        *policy.Router
		model, format string
		kind          error
		want          string
	}{
		{r, "claude-3-opus", policy.OpenAI, policy.ErrEndpointMismatch, `model "claude-3-opus" is served by the provider "anthropic", which speaks the anthropic format, not openai; send the request to /v1/messages`},
		{r, "fast", policy.Anthropic, policy.ErrEndpointMismatch, `"openai", which speaks the openai format, not anthropic; send the request to /v1/chat/completions`},
		{r, "unheard-of", policy.OpenAI, policy.ErrModelNotFound, `no provider for model "unheard-of": several providers could serve it (openai, local); ask for PROVIDER/NAME`},
		{r, "nobody/unheard-of", policy.OpenAI, policy.ErrModelNotFound, "several providers"},
		{r, "gemini-2", policy.OpenAI, policy.ErrModelNotFound, "several providers"},
		{r, "openai/", policy.OpenAI, policy.ErrModelNotFound, "several providers"},
		{r, "ghost", policy.OpenAI, policy.ErrModelNotFound, `names the provider "nowhere", which is not configured`},
		{r, "", policy.OpenAI, policy.ErrModelNotFound, "names no model"},
		{policy.NewRouter(nil, nil, nil), "x", policy.OpenAI, policy.ErrModelNotFound, "set OPENAI_API_KEY"},
		{policy.NewRouter([]policy.Provider{{Name: "a", API: policy.OpenAI}}, nil, nil), "x", policy.Anthropic, policy.ErrModelNotFound, "speaks the anthropic format"},
	} {
		_, err := c.router.Resolve(c.model, c.format)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Resolve(%q, %s) = %v\nwant %s", c.model, c.format, err, c.want)
		}
	}
	if _, err := r.Resolve(strings.Repeat("x", 1<<20), policy.OpenAI); len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes for a long name", len(err.Error()))
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	plain := policy.Route{Targets: []policy.Target{{Model: "a"}, {Model: "b"}}}
	if got := plain.Order(nil); !cmp.Equal(got, plain.Targets) {
		t.Errorf("without weights: %v", got)
	}
	weighted := policy.Route{Targets: []policy.Target{{Model: "a"}, {Model: "b", Weight: 2}, {Model: "c", Weight: 1}}}
	firsts := map[string]int{}
	for draw := range int64(4) {
		draws := []int64{draw, 0, 0}
		got := weighted.Order(func(int64) int64 { d := draws[0]; draws = draws[1:]; return d })
		firsts[got[0].Model]++
		seen := map[string]bool{}
		for _, target := range got {
			seen[target.Model] = true
		}
		if len(seen) != 3 {
			t.Errorf("draw %d loses a target: %v", draw, got)
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 2, "c": 1}, firsts); diff != "" {
		t.Error(diff)
	}
}

func ExampleRouter_Resolve() {
	router := policy.NewRouter(
		[]policy.Provider{{Name: "openai", API: policy.OpenAI}, {Name: "local", API: policy.OpenAI}},
		[]policy.Model{{Key: "fast", Route: []policy.RouteTarget{
			{Provider: "openai", Model: "gpt-4o-mini"}, {Provider: "local", Model: "qwen3"},
		}}}, nil)
	rules := policy.Rules{Denied: []string{"gpt-*"}}

	route, _ := router.Resolve("fast", policy.OpenAI)
	route, _ = rules.Apply("fast", route)
	for _, t := range route.Targets {
		fmt.Println(t.Provider, t.Model)
	}
	_, err := rules.Apply("openai/gpt-4o", policy.Route{Targets: []policy.Target{{Provider: "openai", Model: "gpt-4o"}}})
	fmt.Println(err)
	// Output:
	// local qwen3
	// model "openai/gpt-4o" is denied by the entry "gpt-*" of policy.denied_models
}

// A glob for models says nothing about providers whose name it would match.
func TestGlobsOfModelsAreNotOfProviders(t *testing.T) {
	t.Parallel()
	route := policy.Route{Targets: []policy.Target{{Provider: "openai", Model: "gpt-4o"}}}
	for _, c := range []struct {
		rules policy.Rules
		name  string
		ok    bool
	}{
		{policy.Rules{Denied: []string{"o*"}}, "gpt-4o", true},
		{policy.Rules{Allowed: []string{"o*"}}, "gpt-4o", false},
		{policy.Rules{Denied: []string{"openai/*"}}, "gpt-4o", false},
		{policy.Rules{Allowed: []string{"openai/*"}}, "gpt-4o", true},
		{policy.Rules{Denied: []string{"*4o"}}, "gpt-4o", false},
	} {
		if _, err := c.rules.Apply(c.name, route); (err == nil) != c.ok {
			t.Errorf("%+v on %s: %v", c.rules, c.name, err)
		}
	}
}
