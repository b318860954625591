// Cases for semgrep; never built.
//go:build never

package rules

import (
	"context"
	"database/sql"
	"fmt"
)

func bad(ctx context.Context, db *sql.DB, id string) {
	// ruleid: sql-text
	q := fmt.Sprintf("SELECT spent FROM counter WHERE id = '%s'", id)
	_, _ = db.QueryContext(ctx, q)
	// ruleid: sql-text
	_, _ = db.ExecContext(ctx, fmt.Sprintf("PRAGMA %s", id))
	// ruleid: sql-text
	_, _ = db.ExecContext(ctx, "DELETE FROM item WHERE job = '"+id+"'")
}

func good(ctx context.Context, db *sql.DB, id string) {
	// ok: sql-text
	_, _ = db.QueryContext(ctx, "SELECT spent FROM counter WHERE id = ?", id)
	// ok: sql-text
	_, _ = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(id))) // a pragma takes no parameters, and a number is a number
	// ok: sql-text
	_ = fmt.Sprintf("select one of %s from the list", id)
}
