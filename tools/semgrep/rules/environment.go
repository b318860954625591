// Cases for semgrep; never built.
//go:build never

package rules

import "os"

func bad() string {
	// ruleid: environment
	return os.Getenv("OPENAI_API_KEY")
}

func alsoBad() func(string) (string, bool) {
	// ruleid: environment
	return os.LookupEnv
}

func good(environ func(string) (string, bool)) string {
	// ok: environment
	v, _ := environ("OPENAI_API_KEY")
	return v
}
