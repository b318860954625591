package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// outputs are the files that a run writes at its end.
type outputs struct{ results, failures string }

// outputsOf names the files and sees to it that they can be written, before anything is paid for.
func outputsOf(in input, f runFlags) (outputs, error) {
	o := outputs{results: f.output, failures: f.errors}
	if o.results == "" {
		o.results = in.base + ".results.jsonl"
	}
	if o.failures == "" {
		o.failures = in.base + ".errors.jsonl"
	}
	for flag, path := range map[string]string{"--output": o.results, "--errors": o.failures} {
		if err := writable(path); err != nil {
			return o, usageError("%s %s: %w", flag, path, err)
		}
		if sameFile(path, in.source) {
			return o, usageError("%s %s: that is the input", flag, path)
		}
	}
	if sameFile(o.results, o.failures) {
		return o, usageError("--output and --errors both name %s; results and failures go to two files", o.results)
	}
	return o, nil
}

// writable reports whether batch.WriteFile will be able to write a file.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("that is a folder")
	} else if err == nil && !info.Mode().IsRegular() {
		return nil // a device or a pipe
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".aurea-*")
	if err != nil {
		return fmt.Errorf("cannot be written: %w", err)
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}

// sameFile reports whether two paths are one regular file, which need not be there yet.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}
