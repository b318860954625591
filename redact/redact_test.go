package redact

import (
	"strings"
	"testing"
)

type row struct{ in, want string }

// with builds a row whose secret must vanish behind its placeholder; the '§' in the frame is the place
// of both.
func with(frame, secret, placeholder string) row {
	return row{strings.ReplaceAll(frame, "§", secret), strings.ReplaceAll(frame, "§", placeholder)}
}

func check(t *testing.T, r *Redactor, rows []row) {
	t.Helper()
	for _, row := range rows {
		got := r.Redact(row.in)
		if got != row.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", row.in, got, row.want)
		}
		if again := r.Redact(got); again != got {
			t.Errorf("not idempotent: %q\n then %q", got, again)
		}
	}
}

func TestExamples(t *testing.T) {
	t.Parallel()
	check(t, Default(), []row{
		{"Contact me at user@example.com or 555-123-4567", "Contact me at [EMAIL_REDACTED] or [PHONE_REDACTED]"},
		{
			`{"email":"user@example.com","password":"secret123"}`,
			`{"email":"[EMAIL_REDACTED]","password":"[REDACTED]"}`,
		},
		{"Card number: 1234-5678-9012-3456", "Card number: [CARD_REDACTED]"},
		{"my number is 123-45-6789.", "my number is [SSN_REDACTED]."},
	})
}

func TestPersonalData(t *testing.T) {
	t.Parallel()
	visa, amex := cardWith("4", 16), cardWith("37", 15)
	rows := []row{
		with("mail <§>, thanks", "first.last+tag@mail.example.co.uk", "[EMAIL_REDACTED]"),
		with("是§、好", "user@x.com", "[EMAIL_REDACTED]"),
		with("to=§&x=1", "o_brien@sub-domain.example.org", "[EMAIL_REDACTED]"),
		with("§.", "user@example.com", "[EMAIL_REDACTED]"),
		with("?u=§", "user%40example.com", "[EMAIL_REDACTED]"),
		with("write §", "jörg@münchen.de"[len("jö"):], "[EMAIL_REDACTED]"),
		with("pay with § today", visa, "[CARD_REDACTED]"),
		with("pay with § 12/29", spaced(visa, " ", 4, 4, 4, 4), "[CARD_REDACTED]"),
		with("pay with §, exp", spaced(visa, "-", 4, 4, 4, 4), "[CARD_REDACTED]"),
		with("amex §", spaced(amex, " ", 4, 6, 5), "[CARD_REDACTED]"),
		with("(§)", cardWith("5105", 16), "[CARD_REDACTED]"),
		with("§;", cardWith("3614", 14), "[CARD_REDACTED]"),
		with("SSN: §", "123456789", "[SSN_REDACTED]"),
		with("social security number § ok", "123 45 6789", "[SSN_REDACTED]"),
		with("§ here", "123-45-6789", "[SSN_REDACTED]"),
	}
	for _, p := range []string{
		"(555) 123-4567", "555.123.4567", "+1 (555) 123-4567", "1-800-555-0199", "+15551234567", "+44 20 7946 0958",
		"+49 (0)30 123456", "+33 1 23 45 67 89", "06 12 34 56 78", "020 7946 0958", "090-1234-5678", "555-123-4567 x89",
		"555-123-4567 ext. 12", "555\u2011123\u20114567", "+86 138 0013 8000", "212 555 0123",
	} {
		rows = append(rows, with("call § soon", p, "[PHONE_REDACTED]"), with("(see §)", p, "[PHONE_REDACTED]"))
	}
	rows = append(rows,
		with("phone: §", "5551234567", "[PHONE_REDACTED]"),
		with("tel § or fax §", "5551234", "[PHONE_REDACTED]"),
		with("电话§，谢谢", "13800138000", "[PHONE_REDACTED]"),
		with("2024-01-15 § rang", "555-123-4567", "[PHONE_REDACTED]"),
		with(`\n§\t`, "555-123-4567", "[PHONE_REDACTED]"),
	)
	for _, p := range []string{
		"10.0.0.1", "192.168.1.0/24", "8.8.8.8", "2001:db8::1", "fe80::1%eth0", "::ffff:10.1.2.3", "2001:db8::/32",
		"2001:0db8:85a3:0000:0000:8a2e:0370:7334", "fd00::1",
	} {
		rows = append(rows, with("from § to", p, "[IP_REDACTED]"), with("[§]", p, "[IP_REDACTED]"), with("ip=§,", p, "[IP_REDACTED]"))
	}
	rows = append(rows, with("http://§:8080/", "10.1.2.3", "[IP_REDACTED]"), with("ssh root@§", "10.1.2.3", "[IP_REDACTED]"))
	check(t, Default(), rows)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, key := range []string{
		"sk-" + made(48), "sk-proj-" + made(40) + "-_" + made(30), "sk-ant-" + "api03-" + made(93) + "-AA", "xai-" + made(80),
		"gsk_" + made(52), "AIza" + made(35), "ghp_" + made(36), "github_pat_" + made(22) + "_" + made(59), "AK" + "IA" + madeUpper(16),
		"glpat-" + made(20), "xoxb-" + from("0123456789", 12) + "-" + made(24), "hf_" + made(34), "sk_live_" + made(24),
		"npm_" + made(36), "SG." + made(22) + "." + made(43), "hvs." + made(24), "dapi" + madeHex(32), "SK" + madeHex(32),
		from("123456789", 9) + ":AA" + made(33), "nvapi-" + made(64), "tvly-" + made(32), "sk-or-v1-" + madeHex(64), jwt(),
		keyBlockOf("PRIVATE KEY"), keyBlockOf("RSA PRIVATE KEY"), strings.ReplaceAll(keyBlockOf("EC PRIVATE KEY"), "\n", `\n`),
	} {
		for _, frame := range []string{"use § now", "(§)", "f('§')", "key §, then", "x?k=§&y=1", "是§。", "§"} {
			rows = append(rows, with(frame, key, "[KEY_REDACTED]"))
		}
	}
	uuid := spaced(madeHex(32), "-", 8, 4, 4, 4, 12)
	for _, frame := range []string{
		"api_key=§&x=1", "client_secret: §", "x-api-key: §", "API_KEY='§'", "export OPENAI_API_KEY=§", `apiKey: "§",`,
		"refresh_token=§;", "the API key is §.", "--api-key §", "AccountKey=§;Suffix=x", "<access-token>§</access-token>",
		"secret => '§'",
	} {
		rows = append(rows, with(frame, uuid, "[KEY_REDACTED]"), with(frame, made(40), "[KEY_REDACTED]"))
	}
	for _, frame := range []string{
		"password: §", "DB_PASSWORD=§", "Password=§;Server=x", `password = "§"`, "my password is §", "--password §",
		"<password>§</password>", "postgres://app:§@db:5432/x", "redis://:§@host", "pwd=§&u=1", "smtp_pass: '§'",
		"db.password=§", "$env:DB_PASSWORD = '§'", "passwd:§",
	} {
		rows = append(rows, with(frame, "hunter"+"2x", "[PASSWORD_REDACTED]"), with(frame, "Tr0ub4dor"+"!9", "[PASSWORD_REDACTED]"))
	}
	rows = append(rows,
		with("Authorization: §", "Bearer "+made(30), "[AUTH_REDACTED]"),
		with(`curl -H "Authorization: §" x`, "Basic dXNlcjpw"+"YXNz", "[AUTH_REDACTED]"),
		with("proxy-authorization: §\nHost: x", `Digest username="a", response="`+madeHex(32)+`"`, "[AUTH_REDACTED]"),
		with("sent Bearer § twice", made(30), "[TOKEN_REDACTED]"),
		with("bearer §", made(12), "[TOKEN_REDACTED]"),
		with("Basic §", "dXNlcjpw"+"YXNz", "[TOKEN_REDACTED]"),
		with(`{'api_key': '§'}`, made(20), "[REDACTED]"),
		with(`log: {\"password\":\"§\"} end`, "a b c", "[REDACTED]"),
		with("Cookie: §\nHost: x", "sid="+made(20)+"; theme=dark", "[KEY_REDACTED]"),
		with("Server=x;Password=§;Encrypt=true", "P@ss,w0"+"rd!", "[PASSWORD_REDACTED]"),
		with("spring.datasource.password=§", "secret", "[PASSWORD_REDACTED]"),
		with("https://§@host/x", made(30), "[KEY_REDACTED]"),
	)
	check(t, Default(), rows)
	check(t, New(Options{}), rows) // credentials are masked whether personal data is or not
}

func TestPersonalDataOff(t *testing.T) {
	t.Parallel()
	r := New(Options{})
	for _, text := range []string{
		"user@example.com", "555-123-4567", "123-45-6789", "card " + cardWith("4", 16), "10.0.0.1", "2001:db8::1",
		`{"email":"user@example.com","phone":5551234567}`,
	} {
		if got := r.Redact(text); got != text {
			t.Errorf("Redact(%q) = %q with personal data off", text, got)
		}
	}
}

func TestLeftAlone(t *testing.T) {
	t.Parallel()
	uuid := spaced(madeHex(32), "-", 8, 4, 4, 4, 12)
	for _, text := range []string{
		"", "plain words only", "v1.2.3", "version 1.2.3.4", "Chrome/120.0.0.0 Safari/537.36", "pip install x==1.2.3.4", uuid,
		"commit " + madeHex(40), "sha256:" + madeHex(64), "trace_id=" + madeHex(32), "created: 1723456789", "ts=1723456789123",
		"1723456789123456789", "2024-01-15T10:30:00Z", "2024-01-15 10:30:00,123", "order 100234567", "12:34:56", "00:1a:2b:3c:4d:5e",
		"std::vector<int>", "a::b::c", "x[1::2]", "::", "b::", "dead::", "1,234,567,890", "gpt-4o-2024-08-06", "claude-3-5-sonnet-20241022",
		`"max_tokens": 4096`, "input_tokens=5551234567", "token_count: 12345678", "total_tokens: 1234567890", "next_page_token=abcDEF123456",
		"password=${DB_PASSWORD}", "password: {{ .Values.password }}", "api_key=$API_KEY", "password: ****", "password: <your password>",
		"password: string;", "password: !vault x", "password = os.environ['X']", "password = getpass()", "password: must be 8 characters", "self.password = password",
		"PWD=/home/user", "the token: the smallest unit", "Authorization: required", "bearer of news", "basic things first",
		"git@github.com:owner/repo.git", "npm i react@18.2.0", "icon@2x.png", "postgres://app:${PW}@db/x", "https://example.com:8080/a@b",
		"cache key: " + madeHex(32), "idempotency-key: " + uuid, "0.0.0.0:80", "255.255.255.0", "1.3.6.1.4.1.311.21", "5551234567 bytes",
		"-----BEGIN CERTIFICATE-----\n" + made(64) + "\n-----END CERTIFICATE-----", "[EMAIL_REDACTED] and [CARD_REDACTED] 1234567890123456",
		"Authorization: [AUTH_REDACTED]", "Bearer [TOKEN_REDACTED]", "password=[PASSWORD_REDACTED]", `{"password":"[REDACTED]"}`,
		"--- PASS: TestX/7 (0.01s)", "pass=12 fail=3", `env = append(env, "PWD="+dir)`, "PrivateKey: testRSA2048PrivateKey,",
		"s := secret[aead.keySize():]", "private key is *rsa.PrivateKey, want ed25519.PrivateKey", "50 4b 03 04 06 06 06 40 00 06",
		"0000010: 0000 0001 0803 0000 0028 cb34", "-4111111111111111", "127.000.000.001",
		"sk-learn-and-other-packages", "a task-force", "class=\"sk-fading-circle-inner\"", "$4,500.00", "3.14159265358979",
	} {
		if got := Default().Redact(text); got != text {
			t.Errorf("Redact(%q) = %q, want it left alone", text, got)
		}
	}
}

func TestSensitiveName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "Password", "db_password", "dbPassword", "DB-PASSWORD", "passwd", "PGPASSWORD", "clientSecret", "client-secret",
		"x-api-key", "X-Api-Key", "apikey", "apiKey", "API_KEY", "OPENAI_API_KEY", "aws_secret_access_key", "refresh_token", "accessToken",
		"token", "secret", "authorization", "Proxy-Authorization", "Set-Cookie", "cookie", "private_key", "credentials", "password2",
		"api_key_prod", "secrets", "passphrase", "bearer_token", "id_token", "AccountKey", "x-goog-api-key", "jwt",
	} {
		if !Default().SensitiveName(name) {
			t.Errorf("SensitiveName(%q) = false", name)
		}
	}
	for _, name := range []string{
		"", "a", "email", "max_tokens", "maxTokens", "input_tokens", "output_tokens", "token_count", "total_tokens", "cached_tokens",
		"next_page_token", "price_per_token", "time_to_first_token", "eos_token", "key", "public_key", "primary_key", "cache_key",
		"idempotency_key", "model", "compass", "bypass", "author", "authority", "secret_name", "token_type", "password_policy", "tokens",
		"session_id", "keyboard", "monkey", "tokenizer", "passed", "pass_rate",
	} {
		if Default().SensitiveName(name) {
			t.Errorf("SensitiveName(%q) = true", name)
		}
	}
}

func TestNilRedactorRedacts(t *testing.T) {
	t.Parallel()
	var r *Redactor
	if got := r.Redact("user@example.com"); got != "[EMAIL_REDACTED]" {
		t.Errorf("nil redactor: %q", got)
	}
}

func TestAppendRedacted(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": ">", "plain": ">plain", "a user@example.com b": ">a [EMAIL_REDACTED] b"} {
		if got := string(Default().AppendRedacted([]byte(">"), []byte(in))); got != want {
			t.Errorf("AppendRedacted(%q) = %q, want %q", in, got, want)
		}
	}
}
