package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
)

// readDotEnv reads the .env of the working directory; it gives nil where there is none. The process's
// own environment is not touched, so child processes do not inherit what the file says.
func readDotEnv(dir string) (vars map[string]string, path string, problem *Error) {
	path = filepath.Join(dir, ".env")
	fail := func(line int, text, hint string) (map[string]string, string, *Error) {
		return nil, path, &Error{Source: ".env", Line: line, Problem: text, Hint: hint, rank: rankDotEnv}
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		// A folder of that name is a Python environment.
		return nil, "", nil
	}
	source, err := readFile(path)
	if err != nil {
		return fail(0, "cannot be read: "+reason(err), "make it readable, or move it away")
	}
	source = bytes.TrimPrefix(source, []byte("\uFEFF")) // some editors begin a file with it
	source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	vars, err = godotenv.UnmarshalBytes(source)
	if err != nil {
		// The parser's message quotes the file, secrets included; only the place is taken from it.
		return fail(dotEnvLine(source, err.Error()), "is not a line of the form NAME=value", "put a value with blanks, # or quotes in it between single quotes")
	}
	for name := range vars {
		// The parser takes a line without "=" for the value of a variable without a name, and blanks
		// as part of a name.
		if !envName.MatchString(name) {
			return fail(nameLine(source, name), "is not a line of the form NAME=value", "write NAME=value, or # before a comment")
		}
	}
	return vars, path, nil
}

// envName is looser than the shell: other programs read the file too.
var envName = regexp.MustCompile(`^[\p{L}\p{N}_.-]+$`)

// nameLine finds the line with a name that is none, 0 if it cannot be told.
func nameLine(source []byte, name string) int {
	for i, line := range strings.Split(string(source), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case name == "" && !strings.ContainsAny(line, "=:"),
			name != "" && strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(line, "export")), name):
			return i + 1
		}
	}
	return 0
}

// dotEnvLine finds the line a message of the parser is about, 0 if it cannot be told: a bad name comes
// with the rest of the file, an open quote with its line.
func dotEnvLine(source []byte, message string) int {
	at := -1
	if _, rest, ok := strings.Cut(message, "in variable name near "); ok {
		if text, err := strconv.Unquote(rest); err == nil && bytes.HasSuffix(source, []byte(text)) {
			at = len(source) - len(text)
		}
	} else if text, ok := strings.CutPrefix(message, "unterminated quoted value "); ok {
		at = bytes.LastIndex(source, []byte(text))
	}
	if at < 0 {
		return 0
	}
	return 1 + bytes.Count(source[:at], []byte("\n"))
}

// readFile reads a file of ordinary size.
func readFile(path string) ([]byte, error) {
	const most = 4 << 20
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a folder")
	}
	if info.Size() > most {
		return nil, errors.New("it is larger than 4 MB")
	}
	return os.ReadFile(path) // #nosec G304 -- the .env file the caller names
}

// reason returns what went wrong with a file, without its path, which stands before it.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
