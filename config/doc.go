// Package config reads everything an operator can set into one [Config].
//
// A value comes from the first of these that gives one:
//
//	command-line flag  >  environment  >  .env  >  aurea.yaml  >  default
//
// An empty variable is unset. The file is found as the documentation of [Load] says; none is needed.
//
//	cfg, err := config.Load(config.Options{})
//	if err != nil {
//		fmt.Fprintln(os.Stderr, err) // every mistake at once, each with its line and its remedy
//		os.Exit(2)
//	}
//
// # Values
//
// Money is decimal text in US dollars and is read from the text of the file, quoted or not; it never
// becomes a float. Durations are written 200ms, 1s or 2m, sizes 50MB (KB, MB and GB are powers of
// 1000, KiB, MiB and GiB of 1024). ${NAME} in a value of the file stands for a variable of the
// environment or of .env, ${NAME:-other} has a fallback, and $${ is a plain ${.
//
// # Secrets
//
// A [Secret] prints as "[hidden]" however it is printed; only [Secret.Reveal] gives it away. No error
// of this package contains the value of a key that holds a secret, the content of a variable the file refers to, or a
// text that looks like a key in a place where none belongs.
//
// # Adding a key
//
// A key is a field of a struct in config.go with its default in defaults.go, one line in schema.go,
// one in view.go and one in docs/configuration.md; the tests fail until all of them are there.
package config
