// Package child runs a command as if nobody stood between it and the terminal: its environment, its signals, its terminal and its exit code.
package child

import (
	"os"
	"slices"
	"strings"
)

// Gateway is where a command's calls are to go.
type Gateway struct {
	URL string // without a slash at the end
	Key string
	Job string // that the calls draw on
}

// Names of the variables by which an Aurea within a command finds the one around it.
const (
	URLVariable = "AUREA_EXEC_URL"
	KeyVariable = "AUREA_EXEC_KEY"
	JobVariable = "AUREA_EXEC_JOB"
)

// given are the variables that a command gets, by which SDKs, frameworks and agents find their provider. docs/exec.md has who reads which.
func given(g Gateway) map[string]string {
	return map[string]string{
		"OPENAI_BASE_URL": g.URL + "/v1", "OPENAI_API_BASE": g.URL + "/v1", "OPENAI_API_KEY": g.Key,
		"ANTHROPIC_BASE_URL": g.URL, "ANTHROPIC_API_BASE": g.URL, "ANTHROPIC_API_URL": g.URL, "ANTHROPIC_API_KEY": g.Key,
		URLVariable: g.URL, KeyVariable: g.Key, JobVariable: g.Job,
	}
}

// Credentials are the variables in which people keep keys that pay for model calls. A command gets none of them, and none that leads past the gateway.
var Credentials = []string{
	"AI21_API_KEY", "AI_GATEWAY_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_FOUNDRY_API_KEY", "ANYSCALE_API_KEY", "AUREA_ADMIN_KEY",
	"AWS_BEARER_TOKEN_BEDROCK", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "BASETEN_API_KEY", "CEREBRAS_API_KEY", "CLAUDE_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "CODEX_API_KEY", "COHERE_API_KEY",
	"CO_API_KEY", "DASHSCOPE_API_KEY", "DATABRICKS_TOKEN", "DEEPINFRA_API_KEY", "DEEPSEEK_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY",
	"GOOGLE_GENERATIVE_AI_API_KEY", "GROQ_API_KEY", "HUGGINGFACE_API_KEY", "LITELLM_API_KEY", "LITELLM_MASTER_KEY", "MINIMAX_API_KEY", "MISTRAL_API_KEY", "MOONSHOT_API_KEY", "NEBIUS_API_KEY",
	"NOVITA_API_KEY", "NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY", "REPLICATE_API_KEY",
	"REPLICATE_API_TOKEN", "SAMBANOVA_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY", "VOYAGE_API_KEY", "WATSONX_APIKEY", "WATSONX_API_KEY", "XAI_API_KEY",
	"ZAI_API_KEY", "ZHIPUAI_API_KEY",
}

// detours are no secrets, but switches with which agents leave the way to the gateway.
var detours = []string{"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY", "OPENAI_API_TYPE"}

// shortest is the shortest secret that is looked for in the values of variables.
const shortest = 8

// Inherited is this process's environment.
func Inherited() []string { return os.Environ() }

// Secret returns the names of the variables that hold a credential: by their name, or because one of the secrets is in their value.
func Secret(environ, secrets []string) (names []string) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		holds := func(secret string) bool { return len(secret) >= shortest && strings.Contains(value, secret) }
		if value != "" && (slices.Contains(Credentials, name) || slices.ContainsFunc(secrets, holds)) {
			names = append(names, name)
		}
	}
	return names
}

// Environ returns the environment of a command: the one given, without credentials but for those to keep, with what leads to the gateway.
func Environ(environ, secrets, keep []string, g Gateway) []string {
	without := slices.Concat(Secret(environ, secrets), detours)
	set := given(g)
	for _, name := range keep {
		delete(set, name)
		without = slices.DeleteFunc(without, func(other string) bool { return other == name })
	}
	var out []string
	proxied := false
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if _, ours := set[name]; ours || slices.Contains(without, name) {
			continue
		}
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY":
			proxied = proxied || value != ""
		case "NO_PROXY":
			continue
		}
		out = append(out, variable)
	}
	for _, name := range slices.Sorted(keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return append(out, noProxy(environ, proxied)...)
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

// noProxy keeps calls to the gateway from a proxy that the environment names. Not every client knows by itself that loopback needs none.
func noProxy(environ []string, proxied bool) (out []string) {
	const loopback = "127.0.0.1,localhost"
	seen := false
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.EqualFold(name, "NO_PROXY") {
			continue
		}
		seen = true
		if proxied && value != "*" {
			value = strings.Trim(value+","+loopback, ",")
		}
		out = append(out, name+"="+value)
	}
	if proxied && !seen {
		out = append(out, "NO_PROXY="+loopback, "no_proxy="+loopback)
	}
	return out
}
