package budget

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who asks where an account stands waits for a round that does not end no longer than it wants to.
func TestStandingGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := &Tracker{applying: make(gate, 1)}
		tr.applying.lock()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := tr.Standing(ctx, &Path{t: tr})
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d != 5*time.Second {
			t.Errorf("took %v, want 5s", d)
		}
		tr.applying.unlock()
		if err := tr.applying.lockIn(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
