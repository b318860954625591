package provider

import "io"

// Veiled is what a caller reads of an answer of a provider with these keys, and Begun how much of p is held back.
func Veiled(keys []string, from io.ReadCloser) io.ReadCloser {
	return newSecrets(Config{Keys: keys}).behind(from)
}

func Begun(keys []string, p []byte) int { return newSecrets(Config{Keys: keys}).begun(p) }
