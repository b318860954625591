package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// JobIDs returns the ids of at most that many jobs in the database at path, newest first. It is for a shell's completion: the file is only read, is not made where
// there is none, is not brought up to date, and a writer is waited for a tenth of a second only.
func JobIDs(ctx context.Context, path string, most int) (ids []string, err error) {
	name := strings.TrimPrefix(path, "sqlite:")
	if name, err = filepath.Abs(name); err != nil {
		return nil, err
	}
	if _, err := os.Stat(name); err != nil {
		return nil, err
	}
	if name = filepath.ToSlash(name); !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/… on Windows
	}
	uri := url.URL{Scheme: "file", Path: name}
	db, err := sql.Open("sqlite", uri.String()+"?mode=ro&_pragma=busy_timeout(100)&_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT id FROM job ORDER BY created DESC, num DESC LIMIT ?", most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
