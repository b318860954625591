package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `ada: 200 Most reviews mention the quiet motor and the simple controls. Please wash the blanket at thirty degrees and let it dry flat. The picture shows a green bicycle that leans on a white wall. Two buyers report that the zip sticks after a month. The refund has been booked and reaches your account by Friday. The manual explains each step
ada: 402 budget_exceeded
bob: 200 Most reviews mention the quiet motor and the simple controls. Please wash the blanket at thirty degrees and let it dry flat. The picture shows a green bicycle that leans on a white wall. Two buyers report that the zip sticks after a month. The refund has been booked and reaches your account by Friday. The manual explains each step
c/d: 400 invalid_request
`
	if got := out.String(); got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}
