package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/andres20980/aurea-orchestrator/simulate"
)

func (p *program) simCommand() *cobra.Command {
	o := simulate.Options{Headers: true}
	listen := "127.0.0.1:8089"
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run a simulated provider: it limits, charges and fails as real ones do",
		Long: `Run a provider on loopback that speaks OpenAI's and Anthropic's formats, enforces limits with the real headers, charges usage
deterministically, and delays and fails on request. It costs nothing and needs no network.

  GET  /stats         what it served, by model and status, and its own bill
  POST /sim/options   change latency, failures and limits while it runs
  POST /sim/script    a sequence of failures: statuses, resets, truncations, stalls
  POST /sim/reset     forget everything`,
		Example: "  aurea sim --listen 127.0.0.1:8089 --rpm 600 --fail 0.05\n  OPENAI_API_KEY=any OPENAI_BASE_URL=http://127.0.0.1:8089/v1 aurea run prompts.jsonl",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(simAlgos, o.Algo) {
				return usageError("--algo %q: want %s", o.Algo, listed(simAlgos))
			}
			if o.Fail < 0 || o.Fail > 1 || o.RPM < 0 || o.TPM < 0 || o.Latency < 0 {
				return usageError("--fail wants 0 to 1; --rpm, --tpm and --latency want 0 or more")
			}
			sig := watchSignals(cmd.Context())
			defer sig.close()
			running, err := simulate.Start(listen, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stderr, "simulated provider on %s (OpenAI format below /v1, Anthropic format at the root); Ctrl-C ends it\n", running.URL())
			<-sig.stopping()
			return running.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", listen, "`address` to listen on")
	f.Int64Var(&o.RPM, "rpm", 0, "requests per minute and model (0: no limit)")
	f.Int64Var(&o.TPM, "tpm", 0, "tokens per minute and model (0: no limit)")
	f.StringVar(&o.Algo, "algo", "sliding", "how limits are judged: "+listed(simAlgos))
	completeWith(cmd, "algo", words(simAlgos))
	f.DurationVar(&o.Latency, "latency", 0*time.Millisecond, "time to answer")
	f.Float64Var(&o.Fail, "fail", 0, "share of calls that fail with 429, 503 or a reset, `0..1`")
	return cmd
}
