package pricing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/money"
)

// No price of a file is passed over where that would make a call too cheap.
func TestFileFields(t *testing.T) {
	t.Parallel()
	for field, why := range map[string]string{
		// Read, or without effect on a bill by tokens.
		`"code_interpreter_cost_per_session": 0.03`:                            "",
		`"file_search_cost_per_gb_per_day": 0.1`:                               "",
		`"vector_store_cost_per_gb_per_day": 0.1`:                              "",
		`"computer_use_input_cost_per_1k_tokens": 0.003`:                       "",
		`"input_dbu_cost_per_token": 7.1e-06`:                                  "",
		`"input_cost_per_character": 2.5e-07`:                                  "",
		`"input_cost_per_character_above_128k_tokens": 5e-07`:                  "",
		`"input_cost_per_audio_per_second_above_128k_tokens": 5e-5`:            "",
		`"input_cost_per_video_per_second": 0.001315`:                          "",
		`"input_cost_per_image": 0.0048`:                                       "",
		`"input_cost_per_image_above_128k_tokens": 0.0048`:                     "",
		`"output_cost_per_second": 0.0`:                                        "",
		`"output_cost_per_image": null`:                                        "",
		`"output_vector_size": 1536`:                                           "",
		`"input_cost_per_video_token": 1e-06`:                                  "",
		`"cache_read_input_audio_token_cost": 1e-06`:                           "",
		`"cache_read_input_token_cost_per_audio_token": 3e-06`:                 "",
		`"regional_processing_uplift_multiplier_eu": 1.1`:                      "",
		`"output_cost_per_image": 0.039, "output_cost_per_image_token": 3e-05`: "",
		`"input_cost_per_image": 6e-05, "mode": "chat"`:                        "",
		// What answers do not count.
		`"input_cost_per_video_token": 3e-06`:                "count these tokens as input",
		`"output_cost_per_video_token": 3e-05`:               "count these tokens as output",
		`"cache_read_input_image_token_cost": 3e-06`:         "count these tokens as cache_read",
		`"output_cost_per_image": 0.039`:                     "do not count pictures",
		`"output_cost_per_image_premium_image": "0.039"`:     "do not count pictures",
		`"output_cost_per_pixel": 1.9e-08`:                   "do not count pixels",
		`"input_cost_per_second": 0.0001`:                    "do not count seconds",
		`"output_cost_per_second_1080p": 0.1`:                "do not count seconds",
		`"input_cost_per_query": 0.002`:                      "do not count queries",
		`"ocr_cost_per_page": 0.001`:                         "do not count pages",
		`"annotation_cost_per_page": 0.003`:                  "do not count pages",
		`"citation_cost_per_token": 2e-06`:                   "do not count tokens of citations",
		`"thinking_cost_per_hour": 1`:                        "not known what this price is for",
		`"input_cost_per_image": 6e-05, "mode": "embedding"`: "do not count pictures",
	} {
		file := fmt.Sprintf(`{"m": {"litellm_provider": "p", "input_cost_per_token": 2e-06, "output_cost_per_token": 1e-05, %s}}`, field)
		table, err := Empty().WithFile(strings.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", field, err)
			continue
		}
		_, err = table.Lookup("p", "m", now)
		var unknown *UnknownPriceError
		switch {
		case why == "" && err != nil:
			t.Errorf("%s: %v", field, err)
		case why != "" && (!errors.As(err, &unknown) || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v, want it refused: %s", field, err, why)
		case why != "" && len(table.Lint()) != 1:
			t.Errorf("%s: lint says %q", field, table.Lint())
		}
		dollar := money.Dollar
		if p, err := table.WithOverrides(map[string]Override{"m": {Input: &dollar, Output: &dollar}}).Lookup("p", "m", now); err != nil || p.Refused != "" {
			t.Errorf("%s: the operator's word counts: %v", field, err)
		}
	}
}

func TestFileSteps(t *testing.T) {
	t.Parallel()
	table, err := Empty().WithFile(strings.NewReader(`{"qwen": {"litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": [
	  {"input_cost_per_token": 5e-07, "output_cost_per_token": 2.5e-06, "cache_read_input_token_cost": 1e-07, "range": [0, 32000.0]},
	  {"input_cost_per_token": 7e-07, "output_cost_per_token": 3e-06, "range": [32000.0, 128000]}, {"max_results_range": [0, 25], "input_cost_per_query": 1}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := must(table.Lookup("dashscope", "qwen", now))
	for length, want := range map[int64]int64{32_000: 500_000, 32_001: 700_000, 500_000: 700_000} {
		if got, _ := p.For(Standard, length).Get(Input); int64(got) != want {
			t.Errorf("%d tokens: %d, want %d", length, got, want)
		}
	}
	if read, _ := p.For(Standard, 40_000).Get(CacheRead); read != 140_000 {
		t.Errorf("a cache read of a long call costs %d", read)
	}
	if _, err := Empty().WithFile(strings.NewReader(`{"qwen": {"tiered_pricing": [{"range": [0, 1], "input_cost_per_token": -1}]}}`)); err == nil {
		t.Error("a negative price was read")
	}
}

func TestSearchSizes(t *testing.T) {
	t.Parallel()
	p := must(ownTable(t).Lookup("anyone", "own-chat", now))
	for size, want := range map[string]string{"low": "0.025", "high": "0.03", "": "0.03", "medium": "0.03", "huge": "0.03"} { // its medium is not known
		if got := p.SearchPrice(size).String(); got != want {
			t.Errorf("%q: %s, want %s", size, got, want)
		}
	}
}
