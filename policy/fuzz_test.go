package policy_test

import (
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/policy"
)

// What is denied is denied whatever is allowed, what is not allowed is refused, and the refusal names the model.
func FuzzRules(f *testing.F) {
	f.Add("gpt-4o", "gpt-4*", "*mini")
	f.Add("", "", "*")
	f.Add("a,b", "a,?,*b", "")
	f.Add("0", "0", "??0")
	f.Add("m", "", "p/*,?/other")
	f.Fuzz(func(t *testing.T, model, allowed, denied string) {
		list := func(text string) []string {
			if text == "" {
				return nil
			}
			return strings.Split(text, ",")
		}
		matches := func(list []string) bool {
			for _, p := range list {
				if policy.Match(p, model) || p == model {
					return true
				}
			}
			return false
		}
		r := policy.Rules{Allowed: list(allowed), Denied: list(denied)}
		err := r.Check(model)
		if want := !matches(r.Denied) && (len(r.Allowed) == 0 || matches(r.Allowed)); want != (err == nil) {
			t.Fatalf("%q with %+v: %v", model, r, err)
		}
		route := policy.Route{Targets: []policy.Target{{Provider: "p", Model: model}, {Provider: "p", Model: "other"}}}
		got, err := r.Apply("asked", route)
		if err != nil {
			return
		}
		for _, target := range got.Targets {
			for _, p := range r.Denied {
				// Only an entry with a slash is held against PROVIDER/NAME.
				if policy.Match(p, target.Model) || strings.Contains(p, "/") && policy.Match(p, target.Provider+"/"+target.Model) {
					t.Fatalf("%+v leads to %+v", r, target)
				}
			}
		}
	})
}
