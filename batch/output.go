package batch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/andres20980/aurea-orchestrator/store"
)

// pageSize is how many results are in memory while they are written.
const pageSize = 256

// WriteResults writes the results of a job in input order, one JSON object a line: those of done items, or those of failed ones. It
// returns how many it wrote.
func WriteResults(ctx context.Context, st store.Queue, job string, failed bool, w io.Writer) (int64, error) {
	out := bufio.NewWriterSize(w, 1<<16)
	var n, after int64
	for {
		page, err := st.Results(ctx, job, failed, after, pageSize)
		if err != nil {
			return n, err
		}
		for _, r := range page {
			if _, err := out.Write(resultLine(r)); err != nil {
				return n, err
			}
			n++
			after = r.Seq
		}
		if len(page) < pageSize {
			return n, out.Flush()
		}
	}
}

// WriteFile replaces a file with the results, all at once: a reader sees the old file or the new one. What a link points to is replaced, not the
// link; a device or a pipe is written to. A new file is its owner's alone to read, as the database is; one that was there keeps its permissions.
func WriteFile(ctx context.Context, st store.Queue, job string, failed bool, path string) (n int64, err error) {
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() && !info.IsDir() {
			return writeThrough(ctx, st, job, failed, path)
		}
		mode = info.Mode().Perm()
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, fmt.Errorf("writing results: %w", err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("writing results to %s: %w", path, err)
		}
	}()
	if n, err = WriteResults(ctx, st, job, failed, tmp); err != nil {
		return n, err
	}
	if err = tmp.Chmod(mode); err != nil {
		return n, err
	}
	if err = tmp.Sync(); err != nil {
		return n, err
	}
	if err = tmp.Close(); err != nil {
		return n, err
	}
	return n, os.Rename(tmp.Name(), path)
}

// writeThrough writes the results to what cannot be replaced.
func writeThrough(ctx context.Context, st store.Queue, job string, failed bool, path string) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // #nosec G304 -- a command line opens what it is told to
	if err != nil {
		return 0, fmt.Errorf("writing results: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return WriteResults(ctx, st, job, failed, f)
}

// resultLine is the line of OpenAI's batch output format.
func resultLine(r store.Result) []byte {
	var b builder
	id := r.CallID
	if id == "" {
		id = fmt.Sprintf("item_%d", r.Seq)
	}
	b.field("id", quote(id))
	b.field("custom_id", quote(r.CustomID))
	response := []byte("null")
	if r.Status != 0 {
		var resp builder
		resp.field("status_code", fmt.Appendf(nil, "%d", r.Status))
		resp.field("request_id", quote(r.RequestID))
		resp.field("body", oneLine(r.Body))
		if r.Truncated {
			resp.field("truncated", []byte("true"))
		}
		response = resp.close()
	}
	b.field("response", response)
	problem := []byte("null")
	if r.ErrorCode != "" {
		var e builder
		e.field("code", quote(r.ErrorCode))
		e.field("message", quote(r.ErrorText))
		problem = e.close()
	}
	b.field("error", problem)
	return append(b.close(), '\n')
}

// oneLine returns a JSON body without line ends, and one that is not JSON as a JSON string.
func oneLine(body []byte) []byte {
	v := jsontext.Value(append([]byte(nil), body...))
	if len(body) == 0 || v.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true)) != nil {
		return quote(string(body))
	}
	return v
}
