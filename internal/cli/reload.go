package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
)

// lookAtConfig is how often the configuration's files are looked at. Polling sees what notifications do not: files that editors replace, links that Kubernetes
// turns, network file systems.
const lookAtConfig = time.Second

// reload reads the configuration again, and keeps the old one if there is anything wrong with it.
func (p *program) reload(s *app.Server, o config.Options, log *slog.Logger, why string) {
	cfg, err := p.load(o)
	var restart []string
	if err == nil {
		restart, err = s.Reload(cfg)
	}
	if mistakes, ok := errors.AsType[config.Errors](err); ok {
		for _, m := range mistakes {
			log.Error("configuration not reloaded", "mistake", m.Error(), "because", why)
		}
		return
	}
	if err != nil {
		log.Error("configuration not reloaded", "mistake", err.Error(), "because", why)
		return
	}
	log.Info("configuration reloaded", "file", cfg.Sources().File, "because", why)
	if len(restart) > 0 {
		log.Warn("these keys have changed and need a restart", "keys", strings.Join(restart, ", "))
	}
}

// watchConfig sends to changed whenever the files of the configuration are others than before, and have stayed so for one look.
func (p *program) watchConfig(ctx context.Context, o config.Options, changed chan<- struct{}) {
	tick := time.NewTicker(lookAtConfig)
	defer tick.Stop()
	known := p.configState(o)
	last := known
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := p.configState(o)
		settled := now == last
		last = now
		if now == known || !settled {
			continue
		}
		known = now
		select {
		case changed <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// configState tells one state of the configuration's files from another.
func (p *program) configState(o config.Options) string {
	found, _ := config.Find(p.options(o)) // what is wrong shows when it is read
	var state strings.Builder
	for _, name := range []string{found.File, found.DotEnv} {
		if target, err := filepath.EvalSymlinks(name); err == nil && name != "" {
			name = target
		}
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintf(&state, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		} else {
			fmt.Fprintf(&state, "%s is not there\n", name)
		}
	}
	return state.String()
}
