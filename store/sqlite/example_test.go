package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/andres20980/aurea-orchestrator/money"
	"github.com/andres20980/aurea-orchestrator/store"
	"github.com/andres20980/aurea-orchestrator/store/sqlite"
)

// What is committed is there when the file is opened again, by this process or another.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "aurea")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := "sqlite:" + filepath.Join(dir, "aurea.db")

	for range 2 {
		st, err := sqlite.Open(ctx, path, sqlite.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		job, created, _ := st.CreateJob(ctx, store.Job{ID: "local/nightly", Created: time.Now()}, money.SumOf(5*money.Dollar))
		account, _ := st.FindCounter(ctx, store.JobPrefix+job.ID, time.Time{})
		fmt.Println(job.ID, "created:", created, "limit:", account.Limit)
		_ = st.Close()
	}
	// Output:
	// local/nightly created: true limit: 5
	// local/nightly created: false limit: 5
}
