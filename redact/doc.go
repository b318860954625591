// Package redact removes personal data and credentials from text, JSON and maps before they reach a
// log, an error or a table.
//
//	r := redact.Default()
//	r.Redact("Contact me at user@example.com or 555-123-4567")
//	// Contact me at [EMAIL_REDACTED] or [PHONE_REDACTED]
//
// # What is found
//
// Personal data: e-mail addresses, phone numbers (North American and international), US social
// security numbers, payment cards, IP addresses. Credentials: keys with a known shape, JSON web
// tokens, private key blocks, Authorization values, and whatever is assigned to a name that says it is
// secret (password=…, "client_secret": "…", --api-key …, scheme://user:password@host). Names of
// people, postal addresses and free descriptions are not found.
//
// # How it works
//
// One pass over the bytes, no regular expressions. A table sorts bytes into classes; words are skipped
// whole, and only a few bytes make the scanner look closer: a digit at the start of a word, '@', ':',
// '=', '-', '[' and '{', and a word that begins like a key. Each look is bounded, so the time is linear
// in the text whatever the text is. Nothing is allocated when nothing is found.
//
// A number is judged by its shape first and by the words before it second: sixteen digits are a card if
// the check digit and the issuer fit, or if "card" stands close before them.
//
// JSON inside the text is redacted on its decoded strings, so escapes hide nothing and the document
// stays a document: a bare number that must go becomes a quoted placeholder.
//
// Placeholders already in the text are left alone: redacting twice changes nothing more.
package redact
