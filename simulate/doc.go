// Package simulate is a model provider on loopback: it speaks OpenAI's and Anthropic's formats, enforces limits with the real headers, charges usage deterministically,
// and delays and fails on request. It is what `aurea sim` and `aurea run --simulate` run, and what tests are judged by: its bill is its own, and it knows nothing of the
// rest of this module.
//
// The same request always gets the same answer with the same usage. Input tokens are a quarter of the bytes of the request's text, rounded up.
//
//	GET  /stats         what was served and charged; ?detail=1 lists the requests, if recording is on
//	POST /sim/script    [{"status":503},{"reset":true},{"truncate":20},{"stall":"2s"},{"garbage":true},{"no_usage":true},{"ok":true}] for the next requests;
//	                    "model" or "match" (a text in the body) makes a step wait for such a request
//	POST /sim/options   {"latency":"50ms","fail":0.1,"rpm":600,…}
//	POST /sim/reset     forget everything
package simulate
