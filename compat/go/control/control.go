// Package control is what every Go client says to the runner: see session.go.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
)

// Scenario is one call that goes wrong, as the runner wants it.
type Scenario struct {
	Model     string            `json:"model"`
	Headers   map[string]string `json:"headers"`
	Prompt    string            `json:"prompt"`
	MaxTokens int64             `json:"max_tokens"`
	Retries   *int              `json:"retries"`
	Stream    bool              `json:"stream"`
}

// Result is what came of a check.
type Result struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
	Class   string `json:"class"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func ask(path string, body, to any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	var res *http.Response
	if at := os.Getenv("COMPAT_CONTROL") + path; body == nil {
		res, err = http.Get(at) // #nosec G107 G704 -- the runner's own address
	} else {
		res, err = http.Post(at, "application/json", bytes.NewReader(b)) // #nosec G107 G704 -- the same
	}
	if err != nil {
		panic(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(to); err != nil {
		panic(fmt.Sprintf("%s: %s: %v", path, res.Status, err))
	}
}

// Version says the SDK and its version, by the path of its module.
func Version(name, module string) {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				version = strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	ask("/version", Result{Detail: name + " " + version}, &struct{}{})
}

// Feature runs what returns an error where not all is as it should be.
func Feature(name string, do func() error) {
	ask("/begin", Result{Check: name}, &struct{}{})
	err := do()
	ask("/end", Result{Check: name, OK: err == nil, Detail: fmt.Sprint(err)}, &struct{}{})
}

// Errors runs every scenario; describe returns status and code of an error that is one of the SDK's, whose class is named.
func Errors(named string, call func(Scenario) error, describe func(error) (status int, code string)) {
	var names []string
	ask("/errors", nil, &names)
	for _, name := range names {
		var s Scenario
		ask("/begin", Result{Check: name}, &s)
		r := Result{Check: name}
		if err := call(s); err != nil {
			r.Status, r.Code = describe(err)
			r.Class, r.Message = named, err.Error()
			if r.Status == 0 {
				r.Class = class(err)
			}
		} else {
			r.OK = true
		}
		ask("/end", r, &struct{}{})
	}
}

// class is the type of the innermost error that is not one of package fmt's or errors'.
func class(err error) string {
	name := fmt.Sprintf("%T", err)
	for inner := errors.Unwrap(err); inner != nil && (strings.HasPrefix(name, "*fmt.") || strings.HasPrefix(name, "*errors.")); inner = errors.Unwrap(inner) {
		name = fmt.Sprintf("%T", inner)
	}
	return name
}

// Check turns what is not so into an error.
func Check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
