//go:build unix

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// lines makes a file of n different requests. vary mixes models, endpoints, lengths and caps, some without a cap.
func lines(n int, vary *rand.Rand) (content string, ids []string) {
	var b strings.Builder
	for i := range n {
		id := fmt.Sprintf("item-%05d", i)
		ids = append(ids, id)
		if vary == nil {
			fmt.Fprintf(&b, `{"id":%q,"model":"sim-a","prompt":"Say something about number %d.","max_tokens":200}`+"\n", id, i)
			continue
		}
		b.WriteString(varied(id, vary))
		b.WriteByte('\n')
	}
	return b.String(), ids
}

func varied(id string, vary *rand.Rand) string {
	text := strings.Repeat("So it goes, again and again. ", vary.IntN(30)) + id
	batch := func(url, body string) string {
		return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":%q,"body":%s}`, id, url, body)
	}
	model := []string{"sim-a", "sim-b"}[vary.IntN(2)]
	switch vary.IntN(6) {
	case 0:
		return fmt.Sprintf(`{"id":%q,"model":%q,"prompt":%q}`, id, model, text)
	case 1:
		return batch("/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"n":%d,"max_tokens":%d}`, model, text, 1+vary.IntN(3), 1+vary.IntN(300)))
	case 2:
		return batch("/v1/responses", fmt.Sprintf(`{"model":%q,"input":%q,"max_output_tokens":%d}`, model, text, 16+vary.IntN(300)))
	case 3:
		return batch("/v1/messages", fmt.Sprintf(`{"model":"sim-c","max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, 1+vary.IntN(300), text))
	case 4:
		return batch("/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":[%q,%q]}`, model, text, id))
	default:
		return batch("/v1/completions", fmt.Sprintf(`{"model":%q,"prompt":%q}`, model, text))
	}
}
