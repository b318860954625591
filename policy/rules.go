package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNotAllowed is matched by every refusal of [Rules]. The gateway answers it with status 403 and
// the code model_not_allowed.
var ErrNotAllowed = errors.New("policy: model not allowed")

// NotAllowed is a refusal, and says which rule it follows from. It matches [ErrNotAllowed].
type NotAllowed struct {
	// Model is the name that was refused.
	Model string
	// Rule is the entry of the deny list that matched, or "" if the model is missing from the
	// allow list.
	Rule string
	// Allowed is the allow list, where the model is missing from it.
	Allowed []string
}

// Error names the model, the rule and the setting to change.
func (e *NotAllowed) Error() string {
	if e.Rule != "" {
		return fmt.Sprintf("model %s is denied by the entry %q of policy.denied_models", quote(e.Model), e.Rule)
	}
	const most = 8
	list := strings.Join(e.Allowed[:min(most, len(e.Allowed))], ", ")
	if len(e.Allowed) > most {
		list += ", …"
	}
	return fmt.Sprintf("model %s is not in policy.allowed_models (%s); add its name there to allow it", quote(e.Model), list)
}

// Is makes errors.Is(err, ErrNotAllowed) true.
func (e *NotAllowed) Is(target error) bool { return target == ErrNotAllowed }

// Rules are an allow list and a deny list of model names. Entries are exact names or globs as
// [Match] reads them; a name is never matched by prefix. The zero value allows every model. Rules
// are not changed by their methods and safe for concurrent use.
type Rules struct {
	// Allowed lists the models that may be used. Empty: all of them.
	Allowed []string
	// Denied lists the models that may not be used, allowed or not.
	Denied []string
}

// Check returns nil if model may be used, else a [*NotAllowed]. It looks at the one name it is
// given; [Rules.Apply] also looks at where the name leads.
func (r Rules) Check(model string) error {
	if rule, ok := first(r.Denied, model); ok {
		return &NotAllowed{Model: model, Rule: rule}
	}
	if !r.allows(model) {
		return &NotAllowed{Model: model, Allowed: r.Allowed}
	}
	return nil
}

// Apply returns route without the targets that the rules forbid, and a [*NotAllowed] if none is
// left. A target counts under the name its provider knows and under PROVIDER/NAME, so a denied model
// cannot be had through an alias, another spelling or a failover.
//
//   - Only entries with a slash are held against PROVIDER/NAME: "o*" is not all of openai.
//   - A denied requested name refuses the call; a denied target is left out.
//   - An allowed requested name allows its targets, because where a configured name leads is the
//     operator's word: {allowed_models: [fast]} offers "fast" without offering what is behind it.
//   - A requested name that is not allowed still passes with those targets that are allowed
//     themselves: {allowed_models: [gpt-4o]} permits "openai/gpt-4o".
func (r Rules) Apply(requested string, route Route) (Route, error) {
	if rule, ok := first(r.Denied, requested); ok {
		return Route{}, &NotAllowed{Model: requested, Rule: rule}
	}
	byName := r.allows(requested)
	var refusal error
	if !byName {
		refusal = &NotAllowed{Model: requested, Allowed: r.Allowed}
	}
	kept := make([]Target, 0, len(route.Targets))
	for _, t := range route.Targets {
		qualified := t.Provider + "/" + t.Model
		rule, denied := first(r.Denied, t.Model)
		if !denied {
			rule, denied = first(withProvider(r.Denied), qualified)
		}
		switch {
		case denied:
			// The entry that took the last way out is the one worth naming.
			refusal = &NotAllowed{Model: qualified, Rule: rule}
		case byName || r.allows(t.Model) || matchesAny(withProvider(r.Allowed), qualified):
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 && refusal != nil {
		return Route{}, refusal
	}
	route.Targets = kept
	return route, nil
}

func (r Rules) allows(name string) bool {
	return len(r.Allowed) == 0 || matchesAny(r.Allowed, name)
}

func matchesAny(patterns []string, name string) bool {
	_, ok := first(patterns, name)
	return ok
}

// withProvider returns the patterns that can name a provider: o* stands for models, not for all that openai serves.
func withProvider(patterns []string) []string {
	if !slices.ContainsFunc(patterns, namesProvider) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(patterns), func(p string) bool { return !namesProvider(p) })
}

func namesProvider(pattern string) bool { return strings.Contains(pattern, "/") }

// first returns the first pattern that matches name.
func first(patterns []string, name string) (string, bool) {
	for _, p := range patterns {
		if Match(p, name) {
			return p, true
		}
	}
	return "", false
}

// quote shows a name that a stranger may have sent: quoted, and cut where nobody would read on.
func quote(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}
