package storetest

import (
	"testing"

	"github.com/andres20980/aurea-orchestrator/store"
)

func testMachine(t *testing.T, open func(t testing.TB) store.Store) {}
