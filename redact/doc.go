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
// One pass, no regular expressions. A table of pairs of bytes makes a mask of each 32 bytes that says
// where something may begin: a digit at the start of a word, '@', ':', '=', '-', a quote behind a
// parenthesis, and a word that begins like a key. No look reaches further ahead than 152 bytes, so the
// time is linear in the text whatever the text is, and a stream can be redacted as it comes: see
// [Redactor.NewWriter]. Nothing is allocated when nothing is found.
//
// A number is judged by its shape first and by the words before it second: sixteen digits are a card if
// the check digit and the issuer fit, or if "card" stands close before them.
//
// JSON inside the text stays JSON: no finding reaches over the end of a string, and a bare number that
// must go becomes a placeholder in quotes. [Redactor.JSON] reads a document whole and redacts its
// decoded strings, so that no escape hides anything.
//
// Placeholders already in the text are left alone: redacting twice changes nothing more, but for what
// touches a URL that a password was taken out of.
package redact
