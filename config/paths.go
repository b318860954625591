package config

import (
	"encoding/hex"
	"net/url"
	"path/filepath"
	"strings"
)

// place is what turns the paths of one source into absolute ones: the folder they count from, and the
// home folder for "~/".
type place struct{ dir, home string }

func (p place) path(text string) (string, error) {
	if text == "" || strings.ContainsRune(text, 0) {
		return "", bad("is not a path", "write the name of a file")
	}
	if rest, ok := strings.CutPrefix(text, "~/"); ok {
		if p.home == "" {
			return "", bad("needs the home folder, which is unknown", "set HOME, or write the whole path")
		}
		return filepath.Join(p.home, rest), nil
	}
	if filepath.IsAbs(text) {
		return filepath.Clean(text), nil
	}
	return filepath.Join(p.dir, text), nil
}

// pathOrURL reads the path of a file, or an address. What comes over an open network decides on money, so an address without TLS must be on this machine.
func (p place) pathOrURL(text string) (string, error) {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
		return p.path(text)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Path == "" || u.User != nil:
		return "", bad("is not an address of a file", "write https://HOST/PATH, without a password in it")
	case u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
		return "", bad("would come over the network unprotected", "write https://, or a file")
	}
	return text, nil
}

func parseSHA256(text string) (string, error) {
	if sum, err := hex.DecodeString(text); err != nil || len(sum) != 32 {
		return "", bad("is not a SHA-256 checksum", "write its 64 hex digits, as sha256sum prints them")
	}
	return strings.ToLower(text), nil
}

// database reads sqlite:FILE or a postgres URL. A value that is neither may be a URL with a password
// for something else, so only a plain file name is shown in an error.
func (p place) database(text string) (Database, error) {
	const hint = "write sqlite:FILE or postgres://USER@HOST/NAME"
	if file, ok := strings.CutPrefix(text, "sqlite:"); ok {
		switch {
		case file == "":
			return Database{}, bad("names no file", hint)
		case strings.Contains(file, ":memory:"):
			return Database{}, bad("would forget what was spent", "write sqlite:FILE")
		case strings.HasPrefix(file, "//") && !strings.HasPrefix(file, "///"):
			return Database{}, bad("is ambiguous", "write sqlite:FILE, with the path as it is")
		case strings.Contains(file, "?"):
			return Database{}, &hiddenFlaw{flaw{"has options behind a ?", "write sqlite:FILE alone"}}
		case strings.HasSuffix(file, "/"):
			return Database{}, bad("is a folder", "write sqlite:FILE")
		}
		abs, err := p.path(file)
		return Database{driver: SQLite, target: Secret{abs}}, err
	}
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return Database{}, &hiddenFlaw{flaw{"is not a valid URL", "write " + `postgres://USER@HOST/NAME; in a password, characters such as @ : / % are written as %40 %3A %2F %25`}}
		case u.Host == "" && u.Query().Get("host") == "" && u.Path == "":
			return Database{}, &hiddenFlaw{flaw{"names no host and no database", hint}}
		}
		return Database{driver: Postgres, target: Secret{text}}, nil
	}
	if plainFile(text) {
		return Database{}, bad("has no kind", "write sqlite:"+text)
	}
	return Database{}, &hiddenFlaw{flaw{"is neither a SQLite file nor a PostgreSQL URL", hint}}
}

func plainFile(text string) bool {
	return text != "" && !strings.ContainsAny(text, ":@?= ")
}
