package simulate_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/andres20980/aurea-orchestrator/simulate"
)

// A provider that lets two requests a minute in, and charges a dollar per million tokens of input and four of output.
func Example() {
	price, err := simulate.PerMillion("1", "4")
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := simulate.New(simulate.Options{RPM: 2, Headers: true, Prices: map[string]simulate.Price{"small": price}})
	for range 3 {
		req := httptest.NewRequest(http.MethodPost, "/v1/responses", strings.NewReader(`{"model":"small","input":"Hello","max_output_tokens":10}`))
		req.Header.Set("Authorization", "Bearer anything")
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, req)
		fmt.Println(answer.Code, "remaining:", answer.Header().Get("X-Ratelimit-Remaining-Requests"))
	}
	stats := provider.Stats()
	fmt.Println(stats.OutputTokens, "tokens of output, and altogether", stats.CostUSD, "dollars")
	// Output:
	// 200 remaining: 1
	// 200 remaining: 0
	// 429 remaining: 0
	// 20 tokens of output, and altogether 0.000084 dollars
}

// The next request meets a server that is down, the one after it a broken connection. Everything then is as usual.
func ExampleServer_Script() {
	provider := simulate.New(simulate.Options{})
	if err := provider.Script(simulate.Step{Status: 503}, simulate.Step{Status: 529}); err != nil {
		fmt.Println(err)
	}
	for range 3 {
		req := httptest.NewRequest(http.MethodPost, "/v1/embeddings", strings.NewReader(`{"model":"small","input":"Hello"}`))
		req.Header.Set("Authorization", "Bearer anything")
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, req)
		fmt.Println(answer.Code)
	}
	// Output:
	// 503
	// 529
	// 200
}
