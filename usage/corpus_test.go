package usage_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/andres20980/aurea-orchestrator/pricing"
	"github.com/andres20980/aurea-orchestrator/usage"
)

// corpusPrices are the prices of the models in testdata/answers, in the format of LiteLLM, per token. The bills there say the same per million,
// so that a price that is read wrongly does not agree with itself.
const corpusPrices = `{
 "gpt-plain":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1.25e-06},
 "gpt-new":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":5e-06,"output_cost_per_token":3e-05,"cache_read_input_token_cost":5e-07,"cache_creation_input_token_cost":6.25e-06,
   "input_cost_per_token_flex":2.5e-06,"output_cost_per_token_flex":1.5e-05,"cache_read_input_token_cost_flex":2.5e-07,"cache_creation_input_token_cost_flex":3.125e-06,
   "input_cost_per_token_batches":2.5e-06,"output_cost_per_token_batches":1.5e-05,
   "input_cost_per_token_priority":1e-05,"output_cost_per_token_priority":6e-05,"cache_read_input_token_cost_priority":1e-06,"cache_creation_input_token_cost_priority":1.25e-05,
   "input_cost_per_token_above_272k_tokens":1e-05,"output_cost_per_token_above_272k_tokens":4.5e-05,"cache_read_input_token_cost_above_272k_tokens":1e-06,
   "cache_creation_input_token_cost_above_272k_tokens":1.25e-05,"input_cost_per_token_above_272k_tokens_flex":5e-06,"output_cost_per_token_above_272k_tokens_flex":2.25e-05,
   "search_context_cost_per_query":{"search_context_size_medium":0.01}},
 "gpt-long":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":5e-06,"output_cost_per_token":3e-05,"cache_creation_input_token_cost":6.25e-06,
   "cache_creation_input_token_cost_above_1hr":1.1e-05},
 "gpt-think":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":4e-06,"output_cost_per_reasoning_token":1.2e-05},
 "gpt-audio":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"input_cost_per_audio_token":4e-05,"output_cost_per_audio_token":8e-05},
 "gpt-hears":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":4e-06,"output_cost_per_token":1.6e-05,"cache_read_input_token_cost":4e-07,
   "input_cost_per_audio_token":3.2e-05,"output_cost_per_audio_token":6.4e-05,"cache_read_input_audio_token_cost":5e-07},
 "gpt-image":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":5e-06,"output_cost_per_token":4e-05,"input_cost_per_image_token":1e-05,"output_cost_per_image_token":6e-05},
 "o-files":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":4e-06},
 "instruct":{"litellm_provider":"openai","mode":"completion","input_cost_per_token":1.5e-06,"output_cost_per_token":2e-06},
 "vectors":{"litellm_provider":"openai","mode":"embedding","input_cost_per_token":2e-08},
 "vllm":{"litellm_provider":"hosted_vllm","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":4e-06},
 "grok-4.20":{"litellm_provider":"xai","mode":"chat","input_cost_per_token":1.25e-06,"output_cost_per_token":2.5e-06,"cache_read_input_token_cost":2e-07,
   "input_cost_per_token_above_200k_tokens":2.5e-06,"output_cost_per_token_above_200k_tokens":5e-06},
 "grok-fees":{"litellm_provider":"xai","mode":"chat","input_cost_per_token":1.25e-06,"output_cost_per_token":2.5e-06,"cache_read_input_token_cost":2e-07,
   "search_context_cost_per_query":{"search_context_size_medium":0.005}},
 "deepseek-chat":{"litellm_provider":"deepseek","mode":"chat","input_cost_per_token":2.7e-07,"output_cost_per_token":1.1e-06,"cache_read_input_token_cost":7e-08},
 "mistral-large":{"litellm_provider":"mistral","mode":"chat","input_cost_per_token":5e-07,"output_cost_per_token":1.5e-06,"cache_read_input_token_cost":5e-08},
 "kimi":{"litellm_provider":"moonshot","mode":"chat","input_cost_per_token":6e-07,"output_cost_per_token":2.5e-06,"cache_read_input_token_cost":1.5e-07},
 "groq-llama":{"litellm_provider":"groq","mode":"chat","input_cost_per_token":5.9e-07,"output_cost_per_token":7.9e-07},
 "openrouter/vendor/model":{"litellm_provider":"openrouter","mode":"chat","input_cost_per_token":1e-06,"output_cost_per_token":4e-06},
 "qwen-plus":{"litellm_provider":"dashscope","mode":"chat","input_cost_per_token":4e-07,"output_cost_per_token":1.2e-06,"cache_read_input_token_cost":4e-08,"cache_creation_input_token_cost":5e-07},
 "claude-s":{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":3e-06,"output_cost_per_token":1.5e-05,"cache_read_input_token_cost":3e-07,
   "cache_creation_input_token_cost":3.75e-06,"cache_creation_input_token_cost_above_1hr":6e-06,"input_cost_per_token_above_200k_tokens":6e-06,
   "output_cost_per_token_above_200k_tokens":2.25e-05,"cache_read_input_token_cost_above_200k_tokens":6e-07,"cache_creation_input_token_cost_above_200k_tokens":7.5e-06,
   "cache_creation_input_token_cost_above_1hr_above_200k_tokens":1.2e-05,"search_context_cost_per_query":{"search_context_size_medium":0.01}},
 "claude-o":{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":5e-06,"output_cost_per_token":2.5e-05,"cache_read_input_token_cost":5e-07,
   "provider_specific_entry":{"us":1.1,"fast":6.0},"search_context_cost_per_query":{"search_context_size_medium":0.01}},
 "gemini-2.5-flash":{"litellm_provider":"gemini","mode":"chat","input_cost_per_token":3e-07,"output_cost_per_token":2.5e-06,"cache_read_input_token_cost":3e-08,"input_cost_per_audio_token":1e-06,
   "search_context_cost_per_query":{"search_context_size_medium":0.035}},
 "gemini-2.5-pro":{"litellm_provider":"gemini","mode":"chat","input_cost_per_token":1.25e-06,"output_cost_per_token":1e-05,"cache_read_input_token_cost":1.25e-07,
   "input_cost_per_token_above_200k_tokens":2.5e-06,"output_cost_per_token_above_200k_tokens":1.5e-05,"cache_read_input_token_cost_above_200k_tokens":2.5e-07},
 "gemini-3-pro":{"litellm_provider":"gemini","mode":"chat","input_cost_per_token":2e-06,"output_cost_per_token":1.2e-05,"cache_read_input_token_cost":2e-07,
   "input_cost_per_token_batches":1e-06,"output_cost_per_token_batches":6e-06,"input_cost_per_token_priority":3.6e-06,"output_cost_per_token_priority":2.16e-05,
   "cache_read_input_token_cost_priority":3.6e-07,"search_context_cost_per_query":{"search_context_size_medium":0.014}},
 "gemini-image":{"litellm_provider":"gemini","mode":"chat","input_cost_per_token":3e-07,"output_cost_per_token":2.5e-06,"output_cost_per_image_token":3e-05},
 "gemini-tts":{"litellm_provider":"gemini","mode":"chat","input_cost_per_token":5e-07,"output_cost_per_token":2e-06,"output_cost_per_audio_token":1e-05}
}`

// corpusTable has the models of the corpus. Perplexity's fee for a request is no field of LiteLLM's.
var corpusTable = sync.OnceValue(func() *pricing.Table {
	t, err := pricing.Embedded().WithFile(strings.NewReader(corpusPrices))
	if err != nil {
		panic(err)
	}
	return t
})

func corpusPrice(t testing.TB, model string) pricing.Price {
	t.Helper()
	if model == "sonar" {
		p := corpusPrice(t, "o-files")
		p.Name, p.Provider, p.Request = "sonar", "perplexity", 5_000_000_000 // half a cent
		p.Rates = p.Rates.With(pricing.Output, 1_000_000)
		return p
	}
	p, err := corpusTable().Lookup("", model, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// recorded is a file of testdata/answers: what it is about, the answer, and what it costs.
type recorded struct {
	name  string
	api   usage.API
	model string
	bill  string // tokens * dollars per million, fees as uses @ dollars, then factors of the tokens
	cost  string // the same, worked out
	// booked is what the provider says, where he is believed: dollars, or "invalid".
	booked string
	err    string // missing, invalid, incomplete, tier or unpriced
	body   []byte
}

func corpus(t testing.TB) (all []recorded) {
	t.Helper()
	err := filepath.WalkDir("testdata/answers", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		head, body, ok := bytes.Cut(data, []byte("\n---\n"))
		if !ok {
			t.Fatalf("%s has no body", path)
		}
		r := recorded{name: strings.TrimSuffix(filepath.ToSlash(path), ".txt"), api: usage.API(filepath.Base(filepath.Dir(path))), body: body}
		for line := range strings.SplitSeq(string(head), "\n") {
			key, value, _ := strings.Cut(line, ": ")
			switch key {
			case "model":
				r.model = value
			case "bill":
				r.bill = value
			case "cost":
				r.cost = value
			case "booked":
				r.booked = value
			case "error":
				r.err = value
			case "about":
			default:
				t.Fatalf("%s: %q", path, line)
			}
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// byHand works out a bill without any of the code under test.
func byHand(t testing.TB, bill string) *big.Rat {
	t.Helper()
	number := func(text string) *big.Rat {
		r, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !ok {
			t.Fatalf("%q in the bill %q is no number", text, bill)
		}
		return r
	}
	tokens, fees := new(big.Rat), new(big.Rat)
	terms, factors, _ := strings.Cut(bill, " x ")
	for term := range strings.SplitSeq(terms, "+") {
		if count, price, ok := strings.Cut(term, "@"); ok {
			fees.Add(fees, new(big.Rat).Mul(number(count), number(price)))
			continue
		}
		count, price, _ := strings.Cut(term, "*")
		tokens.Add(tokens, new(big.Rat).Mul(number(count), number(price)))
	}
	tokens.Quo(tokens, big.NewRat(1_000_000, 1))
	if factors != "" {
		for factor := range strings.SplitSeq(factors, " x ") {
			tokens.Mul(tokens, number(factor))
		}
	}
	return tokens.Add(tokens, fees)
}

// Every answer costs what its bill says, to the last digit; what cannot be told is an error and never nothing.
func TestCorpus(t *testing.T) {
	t.Parallel()
	all := corpus(t)
	if len(all) < 120 {
		t.Fatalf("only %d answers", len(all))
	}
	for _, r := range all {
		t.Run(strings.TrimPrefix(r.name, "testdata/answers/"), func(t *testing.T) {
			t.Parallel()
			u, err := usage.ParseAny(r.api, r.body)
			switch {
			case r.err == "missing" || r.err == "invalid":
				if want := map[string]error{"missing": usage.ErrMissing, "invalid": usage.ErrInvalid}[r.err]; !errors.Is(err, want) {
					t.Fatalf("%+v, %v; want %v", u, err, want)
				}
				return
			case err != nil:
				t.Fatal(err)
			case u.Complete == (r.err == "incomplete"):
				t.Fatalf("complete is %v", u.Complete)
			}
			if hand := byHand(t, r.bill); hand.Cmp(rat(t, r.cost)) != 0 {
				t.Fatalf("the bill %s is %s dollars, not %s", r.bill, hand.FloatString(12), r.cost)
			}
			p := corpusPrice(t, r.model)
			own, err := usage.Own(p, u)
			if want := map[string]error{"tier": usage.ErrTierPrice, "unpriced": usage.ErrUnpriced}[r.err]; !errors.Is(err, want) || want == nil && err != nil {
				t.Fatalf("%v; want %v", err, want)
			}
			if own.String() != r.cost {
				t.Errorf("%s dollars, want %s; %+v", own, r.cost, u)
			}
			booked, err := usage.Cost(p, u)
			switch {
			case r.booked == "invalid":
				if !errors.Is(err, usage.ErrInvalid) || booked != 0 {
					t.Errorf("%s dollars are booked, %v", booked, err)
				}
			case r.booked != "":
				if err != nil || booked.String() != r.booked {
					t.Errorf("%s dollars are booked, %v; the provider says %s", booked, err, r.booked)
				}
			case booked != own:
				t.Errorf("%s dollars are booked, not %s", booked, own)
			}
		})
	}
}

func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return r
}

// Whoever reads an answer or a request leaves its bytes as they are: they go on to the caller.
func TestReadersLeaveTheBytes(t *testing.T) {
	t.Parallel()
	for _, r := range corpus(t) {
		body := bytes.Clone(r.body)
		_, _ = usage.ParseAny(r.api, body)
		_, _ = usage.Parse(r.api, body)
		usage.Truncated(r.api, body)
		usage.OnlyUsage(body)
		m := usage.NewMeter(r.api)
		_, _ = m.Write(body)
		_ = m.Close()
		if !bytes.Equal(body, r.body) {
			t.Errorf("%s was changed by being read", r.name)
		}
	}
	for name, body := range hostileRequests(5_000) {
		for _, api := range apis {
			read := []byte(body)
			_, _ = usage.ReadRequest(api, read)
			_, _, _ = usage.IncludeUsage(api, read)
			_, _ = usage.InjectCap(api, "max_tokens", read, 5)
			if string(read) != body {
				t.Errorf("%s was changed by being read as %s", name, api)
			}
		}
	}
}

// streamed reports whether an answer is a stream.
func (r recorded) streamed() bool {
	start := bytes.TrimLeft(bytes.TrimPrefix(r.body, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(start) > 0 && start[0] != '{'
}

// However a stream is cut into pieces, it says the same.
func TestCorpusInPieces(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- pieces for a test
	for _, r := range corpus(t) {
		if !r.streamed() {
			continue
		}
		want, wantErr := usage.ParseAny(r.api, r.body)
		for _, size := range []int{1, 2, 3, 7, 61, 4096, 0, 0} {
			m := usage.NewMeter(r.api)
			for rest := r.body; len(rest) > 0; {
				n := size
				if n == 0 {
					n = 1 + random.IntN(200)
				}
				n = min(n, len(rest))
				_, _ = m.Write(rest[:n])
				rest = rest[n:]
			}
			_ = m.Close()
			got, err := m.Result()
			if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, wantErr) && err.Error() != wantErr.Error() {
				t.Errorf("%s in pieces of %d: %v, %s", r.name, size, err, diff)
			}
		}
	}
}

// An answer costs the same whatever white space is in it, and a stream whatever ends its lines.
func TestCorpusInOtherDress(t *testing.T) {
	t.Parallel()
	for _, r := range corpus(t) {
		want, wantErr := usage.ParseAny(r.api, r.body)
		dress := []string{"\xef\xbb\xbf" + string(r.body), "\n" + string(r.body)}
		if r.streamed() && !bytes.Contains(r.body, []byte("\r")) {
			dress = append(dress, strings.ReplaceAll(string(r.body), "\n", "\r\n"), strings.ReplaceAll(string(r.body), "\n", "\r"), ": hello\n\n"+string(r.body)+": bye\n")
		}
		for _, body := range dress {
			if strings.HasPrefix(body, "\n\xef\xbb\xbf") || strings.HasPrefix(body, "\xef\xbb\xbf\xef\xbb\xbf") || r.api == usage.Gemini && strings.HasPrefix(body, ": hello\n\n[") {
				continue // a mark is one only at the start, and a comment only in events
			}
			got, err := usage.ParseAny(r.api, []byte(body))
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
				t.Errorf("%s as %.20q: %v, %s", r.name, body, err, diff)
			}
		}
	}
}
