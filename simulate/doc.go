// Package simulate is a model provider on loopback. It speaks the formats of OpenAI and Anthropic, enforces rate limits and tells of them in the
// headers these providers send, charges usage deterministically, and delays and fails on request.
//
//	provider, err := simulate.Start("127.0.0.1:0", simulate.Options{RPM: 600, Algo: "bucket", Headers: true})
//	defer provider.Close()
//	// OpenAI's format below provider.URL()+"/v1", Anthropic's at provider.URL()
//
// The package knows nothing of the rest of this module and imports the standard library only, so that it can be the judge of it: its bill is
// its own.
//
// # What is deterministic
//
// The same body gets an answer of the same text, length and usage each time (with the same Options.Seed). Input is a token for each four bytes of
// its JSON text, rounded up, and a fixed number per picture. Output never passes the cap in the request.
// Jitter and failures follow from the seed and the number of the request.
//
// # What is charged
//
// An answer is charged when it is generated, whether or not the client is there to read it. A request that is refused, fails with a status, or whose
// connection is reset before the first byte costs nothing. A step of a script can say otherwise.
//
// # While it runs
//
//	GET  /stats         what was served and charged; ?detail=1 lists the requests if detail is on
//	POST /sim/script    steps for the next requests, such as [{"status":503},{"reset":true},{"stall":"2s"}]: see Step
//	GET  /sim/script    the steps that are left
//	POST /sim/options   {"latency":"50ms","fail":0.1,"rpm":600}: see Options; what is left out stays
//	GET  /sim/options   the options in force
//	POST /sim/reset     forget statistics, script and what counts against the limits; the options stay
package simulate
