package usage

// API is the wire format of a call's body and answer.
type API string

// The APIs.
const (
	Chat        API = "chat"        // OpenAI chat completions
	Completions API = "completions" // OpenAI's older completions
	Responses   API = "responses"   // OpenAI responses
	Embeddings  API = "embeddings"  // OpenAI embeddings
	Messages    API = "messages"    // Anthropic messages
	Gemini      API = "gemini"      // Google's generateContent and streamGenerateContent
)

// Known reports whether a is one of the APIs above.
func (a API) Known() bool {
	switch a {
	case Chat, Completions, Responses, Embeddings, Messages, Gemini:
		return true
	}
	return false
}

// choices reports whether an answer is a list of choices, each of which ends by itself.
func (a API) choices() bool { return a == Chat || a == Completions || a == Gemini }
