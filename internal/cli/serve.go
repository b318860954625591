package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
)

// drainFor is how long calls under way are waited for after the first signal, unless --drain says otherwise; a long answer takes minutes.
const drainFor = 10 * time.Minute

func (p *program) serveCommand() *cobra.Command {
	var listen, pii string
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a gateway: programs in any language get a hard budget by a change of their base URL",
		Long: `Run a gateway that speaks the formats of OpenAI and Anthropic. Point the base URL of a program at it; its calls are held against a budget, paced,
retried and booked like all others. Bodies and answers go through unchanged, streams event by event.

Headers of a request: X-Aurea-Job names a job, X-Aurea-Max-Cost gives it a limit when it is made, X-Aurea-Parent-Job a job above it, X-Aurea-Pii has personal data
masked (mask) or refused (block). Calls without a
job share budget.max_job_cost a day. The answer says what it cost in x-aurea-cost-usd; a stream ends with a comment that does.

  POST /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/messages, /v1/messages/count_tokens
       and the same below /openai and /anthropic
  GET  /v1/models   /healthz   /readyz   /metrics
       /admin/v1/...   jobs, calls, spending, limits: see docs/admin.md

SIGTERM or Ctrl-C stops listening and waits for the calls under way; a second one cuts them off.`,
		Example: `  aurea serve
  aurea serve --simulate --listen 127.0.0.1:9000
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 python my_agent.py
  curl http://127.0.0.1:8080/v1/chat/completions -H 'X-Aurea-Job: trip' -H 'X-Aurea-Max-Cost: 0.50' -d @request.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o config.Options
			if cmd.Flags().Changed("listen") {
				o.Flags.Listen = &listen
			}
			if cmd.Flags().Changed("pii") {
				o.Flags.PII = &pii
			}
			return p.serve(cmd.Context(), o, f)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "`address` to listen on")
	cmd.Flags().StringVar(&pii, "pii", "", piiUsage+" (default: the configuration's)")
	completeWith(cmd, "pii", completePII)
	cmd.Flags().BoolVar(&f.simulate, "simulate", false, "answer with a simulated provider: no key, no network, no cost")
	cmd.Flags().IntVar(&f.workers, "workers", 0, "work on detached jobs too, with so many calls under way at once; see aurea worker")
	completeWith(cmd, "workers", cobra.NoFileCompletions)
	cmd.Flags().DurationVar(&f.drain, "drain", drainFor, "how `long` calls under way are waited for after SIGTERM or Ctrl-C")
	return cmd
}

// serveFlags are the flags of serve that are no configuration.
type serveFlags struct {
	simulate bool
	workers  int
	drain    time.Duration
}

func (p *program) serve(ctx context.Context, o config.Options, f serveFlags) (err error) {
	if f.workers < 0 || f.workers > 10_000 {
		return usageError("--workers %d: want 0 to 10000", f.workers)
	}
	cfg, err := p.load(o)
	if err != nil {
		return err
	}
	log, red := app.Logger(cfg, p.stderr)
	p.redact = red.Redact
	hangup := make(chan os.Signal, 1)
	sig := watchSignals(ctx, hangup)
	defer sig.close()
	defer signal.Stop(hangup)
	a, err := app.Open(sig.ctx, cfg, log, red, app.Options{Simulate: f.simulate})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		err = errors.Join(err, a.Close(closing))
	}()
	s, err := a.Serve(sig.ctx)
	if err != nil {
		return err
	}
	p.listening(s, f.simulate)
	if f.workers > 0 {
		var working sync.WaitGroup
		untilEnd, end := context.WithCancel(sig.ctx)
		defer working.Wait()
		defer end()
		working.Go(func() { p.worker(a, f.workers, f.simulate).Run(sig.hard, untilEnd.Done()) })
	}
	changed := make(chan struct{})
	go p.watchConfig(sig.ctx, o, changed)
	for serving := true; serving; {
		select {
		case err := <-s.Done():
			return err
		case <-hangup:
			p.reload(s, o, log, "SIGHUP")
		case <-changed:
			p.reload(s, o, log, "the file changed")
		case <-sig.stopping():
			serving = false
		}
	}
	fmt.Fprintln(p.stderr, "draining: calls under way are waited for; a second signal cuts them off")
	draining, cancel := context.WithTimeout(sig.hard, f.drain)
	defer cancel()
	if err := s.Drain(draining); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *program) listening(s *app.Server, simulate bool) {
	if p.flags.json {
		p.event(map[string]any{"event": "listening", "address": s.Addr(), "url": s.URL()})
		return
	}
	suffix := ""
	if simulate {
		suffix = " (rehearsal: simulated provider, no money is spent)"
	}
	fmt.Fprintf(p.stderr, "listening on %s%s\n", s.URL(), suffix)
}
