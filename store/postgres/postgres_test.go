package postgres_test

import (
	"os"
	"testing"

	"github.com/andres20980/aurea-orchestrator/internal/pgtest"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/postgres"
	"github.com/andres20980/aurea-orchestrator/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m.Run)) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t testing.TB) store.Store { return open(t, pgtest.Database(t), postgres.Options{MaxConns: 4}) })
}

func open(t testing.TB, url string, o postgres.Options) *postgres.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
