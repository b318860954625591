package verify

import (
	"regexp"
	"strings"
)

// Providers whose exports are read.
const (
	OpenAI    = "openai"
	Anthropic = "anthropic"
)

var (
	dateSuffix  = regexp.MustCompile(`(-\d{4}-\d{2}-\d{2}|-20\d{6}|@20\d{6}|-latest)$`)
	monthSuffix = regexp.MustCompile(`^(gpt-[\w.-]*?)-\d{4}(-preview)?$`)
)

// Fold returns the name under which a model's calls are compared: requests name an alias, and bills the snapshot that it stood for
// (https://platform.openai.com/docs/models, https://docs.claude.com/en/docs/about-claude/models/overview). Anthropic's cost export names models as its pages do,
// "Claude Haiku 4.5"; OpenAI's calls a tuned model ft-BASE where the API says ft:BASE:organization::id.
func Fold(provider, model string) string {
	name := strings.ToLower(strings.TrimSpace(model))
	name = strings.TrimPrefix(name, provider+"/")
	if provider == Anthropic {
		name = strings.NewReplacer(" ", "-", ".", "-").Replace(name)
		name = dateSuffix.ReplaceAllString(name, "")
		if strings.HasPrefix(name, "claude-") && strings.HasSuffix(name, "-4-0") {
			name = strings.TrimSuffix(name, "-0") // claude-sonnet-4-0 stands for claude-sonnet-4-20250514
		}
		return name
	}
	name = strings.ReplaceAll(name, " ", "-")
	if rest, tuned := strings.CutPrefix(name, "ft:"); tuned {
		base, _, _ := strings.Cut(rest, ":")
		name = "ft-" + base
	}
	if name == "text-embedding-ada-002-v2" {
		return "text-embedding-ada-002"
	}
	tuned := strings.HasPrefix(name, "ft-")
	name = dateSuffix.ReplaceAllString(strings.TrimPrefix(name, "ft-"), "")
	if m := monthSuffix.FindStringSubmatch(name); m != nil {
		name = m[1] + m[2]
	}
	if tuned {
		name = "ft-" + name
	}
	return name
}

// lineItem takes OpenAI's name of a line of the bill apart, such as "gpt-4o-mini-2024-07-18, cached input", "evals | gpt-4o-mini-2024-07-18, input" or
// "gpt-audio-mini-2025-12-15 audio, input". What names no model, such as "web search tool calls", is returned as it is.
func lineItem(label string) (model string, isModel bool) {
	label = strings.TrimSpace(label)
	rest := label
	if i := strings.LastIndex(rest, " | "); i >= 0 {
		rest = rest[i+3:]
	}
	if name, _, kind := strings.Cut(rest, ", "); kind { // "gpt-audio-mini-2025-12-15 audio" and the like
		if rest, _, _ = strings.Cut(name, " "); !strings.ContainsAny(rest, "-0123456789") {
			return label, false
		}
	}
	if rest == "" || strings.Contains(rest, " ") {
		return label, false
	}
	return rest, true
}
