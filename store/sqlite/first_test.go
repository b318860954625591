package sqlite_test

import (
	"database/sql"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// hotJournal is the rollback journal of a transaction that makes the first page of a file (https://www.sqlite.org/fileformat.html §3): undone, nothing is left.
func hotJournal() []byte {
	j := make([]byte, 512)
	copy(j, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
	binary.BigEndian.PutUint32(j[12:], 0x5eed) // nonce; no records and no pages before it
	binary.BigEndian.PutUint32(j[20:], 512)
	binary.BigEndian.PutUint32(j[24:], 4096)
	return j
}

// A process that is killed while it makes the file leaves one that says it is Aurea's, and a journal that takes this back.
func TestKilledWhileMakingTheFile(t *testing.T) {
	t.Parallel()
	for name, torn := range map[string]bool{"written": false, "torn": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "aurea.db")
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), "PRAGMA application_id = 0x41755265"); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if torn {
				if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path+"-journal", hotJournal(), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path+"-owners", 0o700); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
