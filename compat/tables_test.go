package main

import "testing"

// What is compared where a client could not be installed is the tables without its row and its columns.
func TestTablesWithoutAClient(t *testing.T) {
	t.Parallel()
	var all, some []*report
	for i := range clients {
		r := &report{Client: &clients[i], Version: "1.0", Results: map[string]result{}}
		for _, f := range features {
			r.Results[f.Name] = result{OK: true}
		}
		if clients[i].Group != "node" { // only those can do it, so that a whole row goes with them
			delete(r.Results, "count_tokens")
			some = append(some, r)
		}
		for j := range troubles {
			r.Results[troubles[j].Name] = result{Class: "Error", Requests: 1}
		}
		all = append(all, r)
	}
	skip := map[string]bool{}
	for i := range clients {
		skip[clients[i].Name] = clients[i].Group == "node"
	}
	if diff := differences(without(render(all), skip), render(some)); diff != "" {
		t.Errorf("%s", diff)
	}
	if same := without(render(all), nil); same != render(all) {
		t.Errorf("%s", differences(render(all), same))
	}
}

func TestGuides(t *testing.T) {
	t.Parallel()
	found := guides("# x\n```python\nno\n```\n## Guides\n\n### a\n```python\none\n```\ntext\n```text\nno\n```\n```sh\ntwo\nthree\n```\n## Next\n```go\nno\n```\n")
	if len(found) != 2 || found[0].text != "one\n" || found[0].group != "python" || found[1].text != "two\nthree\n" || found[1].language != "sh" {
		t.Errorf("%+v", found)
	}
}
