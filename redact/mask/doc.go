// Package mask takes personal data and credentials out of requests to models, and puts them back into the answers.
//
//	masked, m, err := mask.Request(redact.Default(), body) // "write to [EMAIL_1]" goes out
//	answer = m.Answer(answer)                               // what the model says of [EMAIL_1] is said of user@example.com
//
// What is found, by package redact, becomes a placeholder with a number: the same value the same placeholder within a request, in the order in which they stand in it, those of instructions and tools before those of the
// conversation. So a conversation that grows keeps its placeholders, and a provider's cache of its beginning stays good. A placeholder that the request has already, because its author wrote one, is given to
// nothing, and so is never turned into somebody's data.
//
// # Where it looks
//
// Requests are JSON in the formats of OpenAI and Anthropic. Every text in them is looked at, at any depth: instructions, messages, tool results, descriptions of tools, names and
// metadata. The arguments of a tool call are JSON themselves: they stay so, their numbers become texts where they must go, and the value of a sensitive name goes whole. Left as they are: names of models,
// roles, types and IDs, signatures, the patterns of schemas, media (base64), and the credentials that a request gives the provider for a tool of its own (mcp_servers, and headers of tools).
// An address that the provider is to fetch cannot be masked, because it would lead nowhere; see [Map.Unmaskable].
//
// # What comes back
//
// [Map.Answer] reads a whole answer and [Map.NewStream] one of server-sent events, in which a placeholder may come in pieces. Held back is only what can still become a placeholder of this request. In an
// answer that is JSON, and in arguments of tools, a value is escaped as JSON wants it. Whatever the stream's pieces are, its texts are those of the whole answer.
//
// A [Map] is kept for one call, in memory. It does not change after it is made and is safe for concurrent use.
package mask
