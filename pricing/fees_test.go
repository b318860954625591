package pricing

import (
	"strings"
	"testing"
	"time"
)

// Fees per use are read as the format writes them, and a model that is sold by anything but tokens has no price.
func TestWithFileFees(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{
	  "m": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "file_search_cost_per_1k_calls": 2.5, "input_cost_per_request": 0.005,
	        "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.025}},
	  "by-the-second": {"litellm_provider": "openai", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
	  "by-the-character": {"litellm_provider": "openai", "input_cost_per_character": 0.0001},
	  "by-the-picture": {"litellm_provider": "openai", "output_cost_per_image": 0.04},
	  "in-steps": {"litellm_provider": "dashscope", "tiered_pricing": [{"range": [0, 32000], "input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6}]}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := table.Lookup("", "m", time.Now())
	if err != nil || p.FileSearch.String() != "0.0025" || p.Request.String() != "0.005" || p.WebSearch.String() != "0.025" {
		t.Errorf("%s %s %s %v", p.FileSearch, p.Request, p.WebSearch, err)
	}
	for _, model := range []string{"by-the-second", "by-the-character", "by-the-picture", "in-steps"} {
		if _, err := table.Lookup("", model, time.Now()); err == nil {
			t.Errorf("%s has a price", model)
		}
	}
}
