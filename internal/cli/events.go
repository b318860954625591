package cli

import (
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// event writes one JSON object on a line of stdout.
func (p *program) event(v any) {
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a reader that went away is no reason to stop paying attention to money
}

// say writes a line for people, unless JSON or quiet was asked for.
func (p *program) say(format string, args ...any) {
	if !p.flags.json && !p.flags.quiet {
		fmt.Fprintf(p.stderr, format+"\n", args...)
	}
}

// Version is set by the linker for releases.
var Version = ""

func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if p.flags.json {
				p.event(map[string]string{"version": version()})
				return nil
			}
			_, err := fmt.Fprintln(p.stdout, "aurea", version())
			return err
		},
	}
}
