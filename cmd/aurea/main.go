// Command aurea runs AI model jobs under a hard budget. See `aurea --help`.
package main

import (
	"os"

	"github.com/andres20980/aurea-orchestrator/internal/cli"
)

func main() {
	os.Exit(cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
