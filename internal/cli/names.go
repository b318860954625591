package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// jobNameOf makes a job's name of a file's name and a digest of its absolute path, so that two files of the same name do not meet.
func jobNameOf(file string) string {
	abs, err := filepath.Abs(file)
	if err != nil {
		abs = file
	}
	if target, err := filepath.EvalSymlinks(abs); err == nil {
		abs = target
	}
	base := strings.TrimSuffix(filepath.Base(abs), filepath.Ext(abs))
	base = strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:-", r)) {
			return r
		}
		return '-'
	}, base)
	sum := sha256.Sum256([]byte(abs))
	return base[:min(len(base), 100)] + "-" + hex.EncodeToString(sum[:4])
}

// signals turns Ctrl-C, SIGTERM and the end of the terminal into two steps: the first stops sending, the second cuts off what is on the wire.
type signals struct {
	// ctx ends at the first signal, hard at the second.
	ctx, hard context.Context
	cancels   []context.CancelFunc
	incoming  chan os.Signal
}

// watchSignals begins. SIGHUP goes to hangup, if that is given.
func watchSignals(ctx context.Context, hangup ...chan<- os.Signal) *signals {
	s := &signals{incoming: make(chan os.Signal, 2)}
	var soft, hard context.CancelFunc
	s.hard, hard = context.WithCancel(ctx)
	s.ctx, soft = context.WithCancel(s.hard)
	s.cancels = []context.CancelFunc{soft, hard}
	signal.Ignore(syscall.SIGPIPE) // a reader of our output that went away is told by the write; calls are on the wire
	signal.Notify(s.incoming, os.Interrupt, syscall.SIGTERM)
	switch {
	case len(hangup) > 0:
		signal.Notify(hangup[0], syscall.SIGHUP)
	case !signal.Ignored(syscall.SIGHUP): // as under nohup
		signal.Notify(s.incoming, syscall.SIGHUP)
	}
	go func() {
		for _, cancel := range s.cancels {
			if _, ok := <-s.incoming; !ok {
				return
			}
			cancel()
		}
	}()
	return s
}

// stopping is closed at the first signal.
func (s *signals) stopping() <-chan struct{} { return s.ctx.Done() }

func (s *signals) close() {
	signal.Stop(s.incoming)
	close(s.incoming)
	for _, cancel := range s.cancels {
		cancel()
	}
}
