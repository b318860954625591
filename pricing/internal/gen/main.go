// Command gen writes pricing/prices.json from the npm package @pydantic/genai-prices.
//
// It needs npm and node, installs the pinned version into a temporary folder without running its scripts, and is run from the top of the
// repository:
//
//	go run ./pricing/internal/gen
//
// The same version gives the same file, byte for byte.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
)

// version is the pinned release of the package. Raise it here, run the command, and read the difference.
const version = "0.1.8"

const target = "pricing/prices.json"

// export asks the package for each provider's own data. Providers are found by their id in the package's source, because it exports
// no list of them; numbers become the shortest decimal text that names them, which is how they were written.
const export = `
import { findProvider } from "@pydantic/genai-prices";
import { readFileSync } from "node:fs";
const source = readFileSync("node_modules/@pydantic/genai-prices/dist/index.js", "utf8");
const ids = new Set([...source.matchAll(/^    id: "([^"]+)"/gm)].map((m) => m[1]));
const plain = (k, v) => (typeof v === "number" ? { number: String(v) } : v);
console.log(JSON.stringify([...ids].sort().map((id) => findProvider({ providerId: id })).filter(Boolean), plain));
`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	if _, err := os.Stat("go.mod"); err != nil {
		return errors.New("run it from the top of the repository")
	}
	data, err := fetch()
	if err != nil {
		return err
	}
	var providers []provider
	if err := json.Unmarshal(data, &providers); err != nil {
		return fmt.Errorf("the package's data: %w", err)
	}
	out, rows, err := render(providers)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(target, out, 0o644); err != nil { // #nosec G306 -- a source file
		return err
	}
	gone, came := differences(old, out)
	for _, row := range gone {
		fmt.Println("-", row)
	}
	for _, row := range came {
		fmt.Println("+", row)
	}
	fmt.Printf("%d rows less, %d more than before\n", len(gone), len(came))
	fmt.Printf("%s: %d rows, %d KB, from @pydantic/genai-prices %s\n", target, rows, len(out)/1024, version)
	return nil
}

// differences returns the lines that only one of two tables has. Each line is a row.
func differences(old, fresh []byte) (gone, came []string) {
	missing := func(from, in []byte) (lines []string) {
		have := make(map[string]bool)
		for line := range strings.Lines(string(in)) {
			have[strings.TrimSuffix(strings.TrimSpace(line), ",")] = true
		}
		for line := range strings.Lines(string(from)) {
			if line = strings.TrimSuffix(strings.TrimSpace(line), ","); !have[line] {
				lines = append(lines, line)
			}
		}
		return lines
	}
	return missing(old, fresh), missing(fresh, old)
}

// fetch installs the package in a temporary folder and returns its data as JSON.
func fetch() ([]byte, error) {
	dir, err := os.MkdirTemp("", "aurea-prices-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "export.mjs"), []byte(export), 0o600); err != nil {
		return nil, err
	}
	if _, err := command(dir, "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir,
		"@pydantic/genai-prices@"+version); err != nil {
		return nil, err
	}
	return command(dir, "node", "export.mjs")
}

func command(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...) // #nosec G204 -- fixed commands
	cmd.Dir = dir
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, problems.Bytes())
	}
	return out.Bytes(), nil
}
