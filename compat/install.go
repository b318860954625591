package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// installed says where the SDKs are.
type installed struct {
	root, python, node, bin string
	missing                 map[string]string // by group, why it is not there
}

// installTimeout bounds one package manager; one that does not answer is a reason to skip, not to hang.
const installTimeout = 4 * time.Minute

// install puts the SDKs into .cache, each group by its own package manager and lock file. What is there already is used.
func install(ctx context.Context, only string) (*installed, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "requirements.txt")); err != nil {
		return nil, fmt.Errorf("run it in the folder compat: %w", err)
	}
	cache := filepath.Join(root, ".cache")
	in := &installed{
		root: root, python: filepath.Join(cache, "python", "bin", "python"), node: filepath.Join(cache, "node"), bin: filepath.Join(cache, "go"),
		missing: map[string]string{},
	}
	needed := map[string]bool{}
	for i := range clients {
		if only == "" || clients[i].Name == only {
			needed[clients[i].Group] = true
		}
	}
	var mu sync.Mutex
	var faults []error
	var wg sync.WaitGroup
	for group, do := range map[string]func(context.Context) error{"python": in.installPython, "node": in.installNode, "go": in.installGo} {
		if !needed[group] {
			continue
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, installTimeout)
			defer cancel()
			err := do(ctx)
			mu.Lock()
			defer mu.Unlock()
			if fault := (*faultError)(nil); errors.As(err, &fault) {
				faults = append(faults, err)
			} else if err != nil {
				in.missing[group] = err.Error()
			}
		})
	}
	wg.Wait()
	return in, errors.Join(append(faults, ctx.Err())...)
}

func (in *installed) installPython(ctx context.Context) error {
	dir := filepath.Dir(filepath.Dir(in.python))
	return once(dir, []string{filepath.Join(in.root, "requirements.txt")}, func() error {
		if err := command(ctx, in.root, "python3", "-m", "venv", dir); err != nil {
			return err
		}
		return command(ctx, in.root, in.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt")
	})
}

func (in *installed) installNode(ctx context.Context) error {
	files := []string{filepath.Join(in.root, "package.json"), filepath.Join(in.root, "package-lock.json")}
	err := once(in.node, files, func() error {
		if err := copyTo(in.node, files...); err != nil {
			return err
		}
		return command(ctx, in.node, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
	})
	if err != nil {
		return err
	}
	programs, err := filepath.Glob(filepath.Join(in.root, "node", "*.mjs"))
	if err != nil {
		return err
	}
	return copyTo(in.node, programs...) // beside the packages, where node looks for them
}

func (in *installed) installGo(ctx context.Context) error {
	if err := command(ctx, in.root, "go", "mod", "download"); err != nil {
		return err
	}
	if err := command(ctx, in.root, "go", "build", "-o", in.bin+string(filepath.Separator), "./go/..."); err != nil {
		return &faultError{err}
	}
	return nil
}

// faultError is what went wrong though everything needed was there: no reason to skip.
type faultError struct{ error }

// once runs do unless it was done in dir with the same files.
func once(dir string, files []string, do func() error) error {
	sum := sha256.New()
	for _, name := range files {
		b, err := os.ReadFile(name) // #nosec G304 -- our own lock files
		if err != nil {
			return err
		}
		sum.Write(b)
	}
	mark, want := filepath.Join(dir, "installed"), hex.EncodeToString(sum.Sum(nil))
	if is, err := os.ReadFile(mark); err == nil && string(is) == want { // #nosec G304 -- our own file
		return nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o750), do()); err != nil {
		return err
	}
	return os.WriteFile(mark, []byte(want), 0o600)
}

func copyTo(dir string, files ...string) error {
	for _, name := range files {
		b, err := os.ReadFile(name) // #nosec G304 -- our own programs
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o600); err != nil { // #nosec G703 -- our own programs, into a folder of ours
			return err
		}
	}
	return nil
}

// command runs a program and returns the end of what it said if it fails.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) // #nosec G204 -- package managers
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if len(out) > 600 {
		out = out[len(out)-600:]
	}
	return fmt.Errorf("%s: %w: %s", name+" "+strings.Join(args[:min(2, len(args))], " "), err, strings.Join(strings.Fields(string(out)), " "))
}
