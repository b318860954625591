package aurea

import _ "embed" // for aurea.example.yaml

//go:embed aurea.example.yaml
var starterConfig string

// StarterConfig returns aurea.example.yaml: a configuration file with every key, its default and a word on what it does. `aurea config init` writes it. A program
// that does not call StarterConfig does not carry it.
func StarterConfig() string { return starterConfig }
