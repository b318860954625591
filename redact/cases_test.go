package redact

import "testing"

// What people and programs write that the first tables do not have.
func TestMoreCases(t *testing.T) {
	t.Parallel()
	weak, strong := "hunter"+"22", "Xk9!"+"mm42"
	var rows []row
	for _, frame := range []string{
		"the password § works", "My password's § now", "password → §", "password has been set to §", "Passwort ist §", "Mi contraseña es §", "пароль: §", "密码:§",
		"mysqldump -uroot -p§ db", "sshpass -p §", "redis-cli -a § ping", "curl -u admin:§ https://x.io", "ALTER USER x IDENTIFIED BY '§';", `ConvertTo-SecureString "§" -AsPlainText`,
		`define('DB_PASSWORD', '§');`, "- name: SMTP_PASSWORD\n  value: §\n", `{name: DB_PASS, value: "§"}`, "mssql://sa:§@h/db", `const password: string = "§";`, "with pass §",
	} {
		rows = append(rows, with(frame, weak, "[PASSWORD_REDACTED]"), with(frame, strong, "[PASSWORD_REDACTED]"))
	}
	rows = append(rows,
		with("password=§&ssl=true", "a&9"+"b", "[PASSWORD_REDACTED]"),
		with("postgres://u:§@h/db", "a#9/"+"b", "[PASSWORD_REDACTED]"),
		with("postgres://u:§@db.example.org:5432/app?sslmode=require", "Mq7@Jz"+"7?!8z", "[PASSWORD_REDACTED]"),
		with("https://u:§@h.example/p?mail=no", "Mq7Jz"+"78z", "[PASSWORD_REDACTED]"),
		with("# .pgpass\ndb.example.org:5432:app:lena:§\n", "correct-Horse"+"-5593!", "[PASSWORD_REDACTED]"),
		with("*:*:*:lena:§", `Mq\:7Jz`+"78z", "[PASSWORD_REDACTED]"),
		with("main.go:5432:§: undefined: lena:nowhere", "12", "12"),
		with("src/a.rs:5432:§:x: y", "db", "db"),
		with(`let api_token: &str = "§";`, made(40), "[KEY_REDACTED]"),
		with("post to §.", "https://hooks.slack"+".com/services/T"+madeUpper(8)+"/B"+madeUpper(10)+"/"+made(24), "[KEY_REDACTED]"),
		with("key § here", madeHex(32)+"-us7", "[KEY_REDACTED]"),
	)
	for _, p := range []string{"001-415-555-2671", "0044 20 7946 0958", "00 33 1 23 45 67 89", "01.23.45.67.89", "(+49) 30 901820", "+1(415)555-2671"} {
		rows = append(rows, with("call §.", p, "[PHONE_REDACTED]"), with("x,§,y", p, "[PHONE_REDACTED]"))
	}
	rows = append(rows,
		with("?tel=§&x=1", "%2B14155552671", "[PHONE_REDACTED]"),
		with("contact no.: §", "98765 43210", "[PHONE_REDACTED]"),
		with("from §, twice", "josé.garcía@example.com", "[EMAIL_REDACTED]"),
		with("peer §:38700 left", "2001:db8::d10c", "[IP_REDACTED]"),
		row{`{"xml":"\u003cpassword\u003e` + weak + `\u003c/password\u003e"}`, `{"xml":"\u003cpassword\u003e[PASSWORD_REDACTED]\u003c/password\u003e"}`},
		row{`{"phones":[5551234567,5559876543],"n":5551234567}`, `{"phones":["[PHONE_REDACTED]","[PHONE_REDACTED]"],"n":5551234567}`},
		row{`{"s":"{\"phone\":5551234567}"}`, `{"s":"{\"phone\":\"[PHONE_REDACTED]\"}"}`},
		row{`{"credentials":{"a":"}","b":[1]},"n":1}`, `{"credentials":"[REDACTED]","n":1}`},
	)
	check(t, Default(), rows)
}

func TestMoreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"your password is 8-16 characters long", "Password must contain 1 digit", "Password age: 90 days", "credentials: include", "secrets: inherit",
		"golang.org/toolchain@v0.0.1-go1.999.linux-amd64", `"node_modules/jsonwebtoken": {"version": "9.0.2"}`, `"jsonwebtoken": "^9.0.2"`, "password *uint16",
		"if password != confirm {", `headers["Authorization"] = "Bearer " + token`, `{"oauth_token":{"description":"OAuth 2.0 token","type":"string"}}`,
		"Bump dependencies to 1.19.97.75", "chrome 18.24.5.64", "table 3.2.1.4", "secret.go:23", "PASSWORD=$1", `["password","api_key"]`,
		"0000 0001 0803 0000 0028", "(2019) 123-456", "page 200-300, 1990-2020", "IMEI 490154203237519", "mac 00:1B:44:11:3A:B7", "callback(data, 1000000)",
		"Order #123-45-67890", "5432:5432", "192.168.1.256", "[-4111111111111111,1.4111111111111111,4111111111111111e2]",
	} {
		if got := Default().Redact(text); got != text {
			t.Errorf("Redact(%q) = %q, want it left alone", text, got)
		}
	}
}
