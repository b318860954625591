package setup_test

import (
	"fmt"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/setup"
	"github.com/andres20980/aurea-orchestrator/simulate"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// What the file says of bounds holds for a call.
func TestTheFileBoundsInputs(t *testing.T) {
	t.Parallel()
	provider, err := simulate.Start("127.0.0.1:0", simulate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	long := fmt.Sprintf(`{"model":"gpt-4.1","max_tokens":10,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("some words of prose, ", 5000)) // $0.2 by bytes
	picture := `{"model":"gpt-4.1","max_tokens":10,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}]}]}`
	for _, c := range []struct {
		name, budget, limit, body string
		want                      aurea.Code // "": it is answered
	}{
		{"a second look", "{}", "0.1", long, ""},
		{"named", "{bound: tight}", "0.1", long, ""},
		{"by bytes only", "{bound: proven}", "0.1", long, aurea.CodeBudgetExceeded},
		{"by bytes, with enough money", "{bound: proven}", "1", long, ""},
		{"a picture by URL", "{}", "5", picture, ""},
		{"which takes the whole window", "{unbounded_input: max}", "1", picture, aurea.CodeBudgetExceeded},
		{"refused", "{unbounded_input: refuse}", "5", picture, aurea.CodeInvalidRequest},
	} {
		settings, err := setup.Config(load(t, map[string]string{"OPENAI_API_KEY": strings.Repeat("k", 20), "OPENAI_BASE_URL": provider.URL() + "/v1", "MAX_JOB_COST": c.limit}, "budget: "+c.budget+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		orch, err := aurea.New(settings)
		if err != nil {
			t.Fatal(err)
		}
		job, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: "j"})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := orch.Do(t.Context(), aurea.Call{Job: job, API: usage.Chat, Body: []byte(c.body)})
		switch {
		case err == nil && (c.want != "" || !answer.OK()):
			t.Errorf("%s: status %d; want %q", c.name, answer.Status, c.want)
		case err != nil && aurea.ErrorCode(err) != c.want:
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		case job.Status().CostSummary.TotalCost.Cmp(job.Status().CostSummary.MaxCost) > 0:
			t.Errorf("%s: $%s of $%s", c.name, job.Status().CostSummary.TotalCost, c.limit)
		}
		if err := orch.Close(); err != nil {
			t.Error(err)
		}
	}
}
