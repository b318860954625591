package redact_test

import (
	"fmt"

	"github.com/andres20980/aurea-orchestrator/redact"
)

func ExampleRedactor_Redact() {
	r := redact.Default()
	fmt.Println(r.Redact("Contact me at user@example.com or 555-123-4567"))
	// Output: Contact me at [EMAIL_REDACTED] or [PHONE_REDACTED]
}

func ExampleRedactor_JSON() {
	r := redact.Default()
	fmt.Printf("%s\n", r.JSON([]byte(`{"email":"user@example.com","password":"secret123","n":1723456789}`)))
	// Output: {"email":"[EMAIL_REDACTED]","password":"[REDACTED]","n":1723456789}
}

func ExampleRedactor_RedactMap() {
	r := redact.Default()
	fmt.Println(r.RedactMap(map[string]any{"clientSecret": "abc", "note": "call 555-123-4567", "max_tokens": 4096}))
	// Output: map[clientSecret:[REDACTED] max_tokens:4096 note:call [PHONE_REDACTED]]
}

func ExampleNew() {
	r := redact.New(redact.Options{PII: false}) // credentials are masked all the same
	fmt.Println(r.Redact("user@example.com logged in with password=hunter2"))
	// Output: user@example.com logged in with password=[PASSWORD_REDACTED]
}
