package budget

import (
	"context"
	"testing"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store/memory"
)

// A hold against a lease and its settlement, with the flush behind it and without a journal: what the library pays per call for its budget.
func BenchmarkHoldEnd(b *testing.B) {
	tr, err := Open(b.Context(), memory.New(memory.Options{}), Options{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := tr.Path(b.Context(), AccountSpec{Name: "job:local/a", Limit: sum("1000000")}, AccountSpec{Name: "key:local", Limit: money.Unlimited})
	if err != nil {
		b.Fatal(err)
	}
	warm(b, tr, p, "1000")
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		h, err := tr.Hold(context.Background(), p, Ask{Amount: money.Micro, MaxWait: -1})
		if err != nil {
			b.Fatal(err)
		}
		h.End(End{Cost: money.Nano})
	}
	b.StopTimer()
	mustClose(b, tr)
}
