package config

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// Sources says where a configuration came from.
type Sources struct {
	// File is the absolute path of the configuration file, "" if there is none.
	File string
	// FoundBy says why that file was taken: "--config", "AUREA_CONFIG", "working directory" or
	// "XDG_CONFIG_HOME"; "" if there is none.
	FoundBy string
	// DotEnv is the absolute path of the .env that was read, "" if there is none.
	DotEnv string

	origins map[string]string
}

// Of returns where the value of a key such as "budget.max_job_cost" comes from: "--max-cost",
// "environment MAX_JOB_COST", ".env MAX_JOB_COST", "aurea.yaml:12" or "default".
func (s Sources) Of(key string) string {
	if origin, ok := s.origins[key]; ok {
		return origin
	}
	return "default"
}

// Set reports whether anybody gave the key a value.
func (s Sources) Set(key string) bool { return s.origins[key] != "" }

// Given returns the keys that somebody gave a value, each with where it comes from as [Sources.Of] says it.
func (s Sources) Given() map[string]string { return maps.Clone(s.origins) }

// Find returns where [Load] would look, without reading the configuration file: it answers for a file with mistakes as well, and for one that was asked for and is
// not there. It fails for a mistake on the command line or in .env, which leaves open what is meant.
func Find(opts Options) (Sources, error) {
	l := &loader{opts: opts, cfg: defaults(), sources: Sources{origins: map[string]string{}}}
	if l.opts.Environ == nil {
		l.opts.Environ = os.LookupEnv
	}
	if l.start() {
		l.find()
		if f := l.opts.Flags.Config; f != nil && *f == "" {
			l.errs = append(l.errs, &Error{Source: "command line", Key: "--config", Problem: "has an empty value", Hint: "give it a value, or leave it out"})
		}
	}
	if len(l.errs) > 0 {
		l.errs.sort()
		return l.sources, l.errs
	}
	return l.sources, nil
}

// String returns the path of the file, or "none".
func (s Sources) String() string {
	if s.File == "" {
		return "none"
	}
	return s.File
}

// find returns the configuration file to read. A file that was asked for must exist; the two places
// that are only looked at need not have one.
func (l *loader) find() {
	given := func(path, by string) {
		abs, err := l.place().path(path)
		if err == nil {
			l.sources.File, l.sources.FoundBy = abs, by
		}
	}
	if f := l.opts.Flags.Config; f != nil {
		given(*f, "--config")
		return
	}
	if path, ok := l.env("AUREA_CONFIG"); ok {
		given(path, "AUREA_CONFIG")
		return
	}
	candidates := []struct{ path, by string }{{filepath.Join(l.dir, "aurea.yaml"), "working directory"}}
	if base := l.xdg("XDG_CONFIG_HOME", ".config"); base != "" {
		candidates = append(candidates, struct{ path, by string }{filepath.Join(base, "aurea", "aurea.yaml"), "XDG_CONFIG_HOME"})
	}
	for _, c := range candidates {
		if _, err := os.Stat(c.path); err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			l.sources.File, l.sources.FoundBy = c.path, c.by
			return
		}
	}
}

// xdg returns a base directory of the XDG specification: the variable if it holds an absolute path,
// else the folder below the home folder, "" if there is neither.
func (l *loader) xdg(name, fallback string) string {
	if dir, ok := l.process(name); ok && filepath.IsAbs(dir) {
		return dir
	}
	if l.home == "" {
		return ""
	}
	return filepath.Join(l.home, filepath.FromSlash(fallback))
}

// shown returns a path as errors name it: short where it lies in the working directory.
func (l *loader) shown(path string) string {
	rel, err := filepath.Rel(l.dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return path
	}
	return rel
}
