package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/gateway"
)

// The list and its parts have the form of the client that asks, to the letter: some clients refuse members they do not know.
func TestModels(t *testing.T) {
	t.Parallel()
	g := gateway.New(gateway.Config{Orchestrator: aureatest.New(t).Orchestrator, Models: func() []string { return []string{"a", "b", "meta/c"} }})
	t.Cleanup(g.Close)
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	openAI := func(id string) string { return `{"id":"` + id + `","object":"model","created":0,"owned_by":"aurea"}` }
	claude := func(id string) string {
		return `{"type":"model","id":"` + id + `","display_name":"` + id + `","created_at":"1970-01-01T00:00:00Z"}`
	}
	page := func(more, first, last string, ids ...string) string {
		var all []string
		for _, id := range ids {
			all = append(all, claude(id))
		}
		return `{"data":[` + strings.Join(all, ",") + `],"has_more":` + more + `,"first_id":` + first + `,"last_id":` + last + `}`
	}
	for _, c := range []struct {
		method, path, version string
		status                int
		body                  string
	}{
		{"GET", "/v1/models", "", 200, `{"object":"list","data":[` + openAI("a") + `,` + openAI("b") + `,` + openAI("meta/c") + `]}`},
		{"GET", "/openai/v1/models", "", 200, `{"object":"list","data":[` + openAI("a") + `,` + openAI("b") + `,` + openAI("meta/c") + `]}`},
		{"GET", "/v1/models/b", "", 200, openAI("b")},
		{"GET", "/v1/models/meta/c", "", 200, openAI("meta/c")},
		{"GET", "/v1/models/meta%2Fc", "", 200, openAI("meta/c")},
		{"HEAD", "/v1/models", "", 200, ""},
		{"HEAD", "/v1/models/none", "", 404, ""},
		{"GET", "/v1/models", "2023-06-01", 200, page("false", `"a"`, `"meta/c"`, "a", "b", "meta/c")},
		{"GET", "/anthropic/v1/models?limit=1", "", 200, page("true", `"a"`, `"a"`, "a")},
		{"GET", "/v1/models?limit=1&after_id=b", "2023-06-01", 200, page("false", `"meta/c"`, `"meta/c"`, "meta/c")},
		{"GET", "/v1/models?limit=1&before_id=meta/c", "2023-06-01", 200, page("true", `"b"`, `"b"`, "b")},
		{"GET", "/v1/models?after_id=meta/c", "2023-06-01", 200, page("false", "null", "null")},
		{"GET", "/v1/models/a", "2023-06-01", 200, claude("a")},
	} {
		status, body := fetch(t, c.method, s.URL+c.path, c.version)
		if status != c.status || body != c.body {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, cmp.Diff(c.body, body))
		}
	}
	for _, c := range []struct {
		method, path, version string
		status                int
		want                  string
	}{
		{"GET", "/v1/models/none", "", 404, `"code":"model_not_found"`},
		{"GET", "/v1/models/none", "2023-06-01", 404, `"type":"not_found_error"`},
		{"GET", "/v1/models?limit=0", "2023-06-01", 400, `"type":"invalid_request_error"`},
		{"POST", "/v1/models", "", 405, "use GET"},
		{"DELETE", "/v1/models/a", "2023-06-01", 405, "use GET"},
	} {
		if status, body := fetch(t, c.method, s.URL+c.path, c.version); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
	}
}

func fetch(t *testing.T, method, url, version string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if version != "" {
		req.Header.Set("Anthropic-Version", version)
	}
	resp, err := caller.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
