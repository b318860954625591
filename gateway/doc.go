// Package gateway gives programs in any language the guarantees of an [aurea.Orchestrator], by a change of their base URL: it speaks the formats of
// OpenAI and Anthropic, and every call takes the one path that all calls take.
//
//	h := gateway.New(gateway.Config{Orchestrator: orch})
//	defer h.Close()
//	http.ListenAndServe("127.0.0.1:8080", h)
//
// A [Handler] is an http.Handler and can be mounted under a prefix with http.StripPrefix. Bodies go through unchanged but for the fields that Aurea owns: the model's
// upstream name, an output cap where there is none, and the wish for usage in a stream. What a provider answers, errors included, comes back as it is, streams event by
// event. What Aurea refuses is an error in the endpoint's own shape, with the code in the header x-aurea-error.
package gateway
