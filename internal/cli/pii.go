package cli

import (
	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
)

const piiUsage = "personal data and keys in requests: `off`, mask (placeholders go out, the answers have the values again) or block"

// checkPII reads --pii.
func checkPII(value string) error {
	switch aurea.PII(value) {
	case "", aurea.PIIOff, aurea.PIIMask, aurea.PIIBlock:
		return nil
	}
	return usageError("--pii %q: want off, mask or block", value)
}

func completePII(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{
		cobra.CompletionWithDesc("off", "send requests as they are"),
		cobra.CompletionWithDesc("mask", "send placeholders, put the values back into the answers"),
		cobra.CompletionWithDesc("block", "refuse requests that have any"),
	}, cobra.ShellCompDirectiveNoFileComp
}
