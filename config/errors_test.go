package config_test

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/andres20980/aurea-orchestrator/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every mistake of a file at once, word for word.
func TestMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.env["WORD"], w.env["BASE"] = "several", "not a url"
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w.write("aurea.yaml", string(source))
			_, err = w.load()
			if err == nil {
				t.Fatal("no mistake was found")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (run with -update to accept)\n%s", file, diff)
	}
}

func TestMistakesOutsideTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maps.Copy(w.env, map[string]string{
		"MAX_JOB_COST": "$5", "DEFAULT_RPM": "0", "DEFAULT_TPM": "1.5", "MAX_RETRIES": "3.0", "RETRY_BASE_DELAY": "-1",
		"RETRY_MAX_DELAY": "1e3", "CIRCUIT_BREAKER_THRESHOLD": "-1", "CIRCUIT_BREAKER_TIMEOUT": "0", "ALLOWED_MODELS": " , ",
		"AUREA_ADMIN_KEY": "two words", "AUREA_DATABASE": "mysql://root:pw@host/db", "LOG_LEVEL": "verbose",
		"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://me:pw@host/v1",
	})
	w.write(".env", "REDACT_PII=perhaps\nMAX_JOB_CST=3\nOTHER=1\n")
	w.write("aurea.yaml", "limits: {max_wait: x}")
	w.flags = config.Flags{MaxJobCost: new(""), RPM: new("some"), Database: new("x.db"), Listen: new("here"), LogLevel: new("x")}
	_, err := w.load()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	golden(t, "testdata/outside.txt", err.Error()+"\n")
}

func TestDotEnvMistakes(t *testing.T) {
	t.Parallel()
	key := newKey()
	for text, line := range map[string]string{
		"A=1\n# x\nB C=" + key + "\n":      ".env:3: ",
		"A=1\r\n\r\nB='" + key + "\nC=2\n": ".env:3: ",
		"A=1\n" + key + "\n":               ".env",
		key:                                ".env",
		"\xef\xbb\xbfA='1'\nB=\"" + key + "\n\n# x\n":  ".env:2: ",
		"A=1 # c\n\nB=2\n-----BEGIN KEY-----\n" + key:  ".env:4: ",
		"A='x'" + key + "\nB=2\n":                      ".env",
		"export\n" + key + "=" + key + "\n{\n" + key:   ".env",
		"OPENAI_API_KEY=\"a\n" + key + "\"\nB=2\nMAX=": ".env: OPENAI_API_KEY: ", // read whole, and refused for its newline
	} {
		w := newWorld(t)
		w.write(".env", text)
		_, err := w.load()
		if err == nil || !strings.Contains(err.Error(), line) {
			t.Errorf("%q: %v; want %s", strings.ReplaceAll(text, key, "KEY"), err, line)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	w := newWorld(t)
	w.write(".env", "MAX_JOB_CST=3\nOTHER=1\nLOG_LEVELS=\n")
	if diff := cmp.Diff([]string{
		".env: LOG_LEVELS is not a variable of Aurea; did you mean LOG_LEVEL?",
		".env: MAX_JOB_CST is not a variable of Aurea; did you mean MAX_JOB_COST?",
	}, w.mustLoad().Notes()); diff != "" {
		t.Error(diff)
	}
}

// newKey returns a text shaped like an API key, another one each time.
func newKey() string { return "sk-" + rand.Text() }

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, first, second, header, password := newKey(), newKey(), rand.Text(), rand.Text(), "p%40"+rand.Text()
	w.env["AUREA_ADMIN_KEY"] = admin
	w.write("aurea.yaml", fmt.Sprintf(`
database: postgres://user:%s@db.example.com:5432/aurea?sslmode=require
providers:
  p: {api: openai, base_url: http://h/v1, api_keys: [%s, %s], headers: {X-Auth: "Bearer %s", X-Team: green}}
`, password, first, second, header))
	c := w.mustLoad()
	all := []string{admin, first, second, header, password, strings.Replace(password, "%40", "@", 1)}
	missing := map[string]bool{"Bearer " + header: true}
	for _, s := range all {
		missing[s] = true
	}
	for _, s := range c.Secrets() {
		delete(missing, s)
	}
	if len(missing) > 0 {
		t.Errorf("%d secrets are not listed", len(missing))
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "config", c, "key", c.AdminKey, "db", c.Database, "p", c.Providers[0])
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "config", c, "key", c.AdminKey, "db", c.Database, "p", c.Providers[0])
	var printed strings.Builder
	printed.WriteString(string(asJSON) + log.String() + c.String())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
		printed.WriteString(fmt.Sprintf(verb, c) + fmt.Sprintf(verb, *c) + fmt.Sprintf(verb, c.Providers) + fmt.Sprintf(verb, c.Database))
	}
	for _, s := range all {
		if strings.Contains(printed.String(), s) {
			t.Errorf("%q is printed", s)
		}
	}
	if got := c.Database.String(); got != "postgres://[hidden]@db.example.com:5432/aurea" {
		t.Error(got)
	}
}

// A key in a place where none belongs is a mistake, and a mistake is shown to people.
func TestMisplacedKeysAreNotShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"KEY", "KEY: 1", "- KEY", "database: KEY", "listen: KEY", "timezone: KEY", "admin_key: [KEY]", "admin_key: {KEY: KEY}",
		"providers: {KEY: 1}", "providers: {openai: KEY}", "providers: {openai: {api_key:KEY}}", "providers: {openai: {api_keyKEY: 1}}",
		"providers: {openai: {api_key KEY}}", "providers: {openai: {api_key: *KEY}}", "providers:\n  openai:\n    api: openai\n      api_key: KEY",
		"providers:\n  openai:\n    api: openai\n      api_key KEY\n", "providers: {openai: {api_key: &KEY [1]}}", "providers: {openai: {api_key: !KEY x}}",
		"providers: {openai: {api_key: 'KEY x'}}", "providers: {openai: {api_keys: KEY}}", "providers: {openai: {api: KEY, profile: KEY, burst: KEY}}",
		"providers: {openai: {base_url: \"https://h/v1?key=KEY\"}}", "providers: {openai: {base_url: \"https://KEY@h/v1\"}}", "providers: {openai: {base_url: KEY}}",
		"providers: {openai: {base_url: \"https://u:KEY@h:x%zz/v1\"}}", "providers: {openai: {headers: KEY}}", "providers: {openai: {headers: {Authorization:KEY}}}",
		"providers: {openai: {headers: {Authorization Bearer KEY}}}", "providers: {openai: {headers: {Authorization: [KEY]}}}", "providers: {openai: {headers: {X: \"KEY\\n\"}}}",
		"models: {m: {provider: KEY}}", "models: {m: {provider: \"${SECRET}\"}}", "models: {m: {route: [KEY/x]}}", "models: {m: {rpm: ${SECRET}}}",
		"budget: {max_job_cost: ${SECRET}}", "retry: {base_delay: ${SECRET}}", "limits: {max_body: ${SECRET}}", "logging: {level: ${SECRET}}",
		"database: ${SECRET}", "database: postgres://u:KEY@[h/db", "database: mysql://u:KEY@h/db", "database: KEY.db", "admin_key: \"${KEY\"",
		"policy: {allowed_models: KEY}", "policy: {allowed_models: [[KEY]]}", "prices: {overrides: {KEY: {}}}", "listen: ${A:-KEY}", "\"unfinished KEY",
	} {
		w := newWorld(t)
		key := newKey()
		w.env["SECRET"] = key
		w.write("aurea.yaml", strings.ReplaceAll(text, "KEY", key))
		_, err := w.load()
		if err == nil {
			t.Errorf("%s: no mistake", text)
		} else if strings.Contains(err.Error(), key) {
			t.Errorf("%s: %s", text, strings.ReplaceAll(err.Error(), key, "KEY"))
		}
	}
	for _, name := range []string{"MAX_JOB_COST", "LOG_LEVEL", "AUREA_DATABASE", "ALLOWED_MODELS", "AUREA_CONFIG", "DEFAULT_RPM", "REDACT_PII"} {
		w := newWorld(t)
		key := newKey()
		w.env[name] = key
		if _, err := w.load(); err != nil && strings.Contains(err.Error(), key) && name != "AUREA_CONFIG" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A slip of the finger anywhere in a file must not bring a key to light, whatever the key looks like.
func TestSlipsDoNotShowSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[a-z]{8,12}`).Draw(rt, "secret")
		text := []rune(fmt.Sprintf(`listen: 127.0.0.1:1
admin_key: %[1]s
database: postgres://u:%[1]s@h/db
providers:
  openai: {api: openai, api_key: %[1]s}
  local:
    api: openai
    base_url: http://h/v1
    api_key: "%[1]s"
    api_keys: [%[1]s, '%[1]s']
    headers:
      Authorization: Bearer %[1]s
limits: {default_rpm: 3}
`, secret))
		at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
		with := rapid.SampledFrom([]string{"", " ", "\n", ":", "x", "{", "\"", "*", "&", "-", "#", "${", "\t", "[", "@", "?"}).Draw(rt, "with")
		slip := string(text[:at]) + with + string(text[at+1:])
		if rapid.Bool().Draw(rt, "insert") {
			slip = string(text[:at]) + with + string(text[at:])
		}
		w.write("aurea.yaml", slip)
		c, err := w.load()
		shown := ""
		if err != nil {
			shown = err.Error()
		} else {
			shown = c.String() + strings.Join(c.Notes(), "\n")
		}
		// A slip within the secret leaves pieces of it; whole it must not appear.
		if strings.Contains(shown, secret) {
			rt.Fatalf("%s\n\n%s", slip, shown)
		}
	})
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/mistakes/*.yaml")
	for _, file := range files {
		if source, err := os.ReadFile(file); err == nil {
			f.Add(source)
		}
	}
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, source []byte) {
		w := newWorld(t)
		w.env["AUREA_ADMIN_KEY"] = "a"
		w.write("aurea.yaml", string(source))
		c, err := w.load()
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if len(c.String()) == 0 || c.Database.Driver() == "" || c.Budget.MaxJobCost.Negative() {
			t.Fatalf("an incomplete configuration: %s", c)
		}
	})
}

// Prices decide on money, so they do not come over an open network.
func TestPriceAddresses(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"https://prices.example/p.json": true, "http://127.0.0.1:8000/p.json": true, "http://localhost/p.json": true, "http://prices.example/p.json": false, "https://": false,
		"https://user:secret@prices.example/p.json": false,
	} {
		w := newWorld(t)
		w.write("aurea.yaml", "prices: {file: \""+text+"\", sha256: "+strings.Repeat("aB", 32)+"}\n")
		c, err := w.load()
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
		if good && (c.Prices.File != text || c.Prices.SHA256 != strings.Repeat("ab", 32)) {
			t.Errorf("%s: %+v", text, c.Prices)
		}
	}
	w := newWorld(t)
	w.write("aurea.yaml", "prices: {sha256: abc}\n")
	if _, err := w.load(); err == nil {
		t.Error("half a checksum")
	}
}
