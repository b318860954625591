package aurea_test

import (
	"regexp"
	"strings"
	"testing"

	aurea "github.com/andres20980/aurea-orchestrator"
)

var nameOfJob = regexp.MustCompile(`\A[A-Za-z0-9._:-]{1,128}\z`)

// A job has the name it was asked for, or none: a name never leads to another key's jobs.
func FuzzJobName(f *testing.F) {
	for _, seed := range []string{"job", "", "a/b", "../x", "local/x", "a\n", "ñ", strings.Repeat("a", 129), "A.b_c:d-1", "\x00"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, name, key string) {
		orch, err := aurea.New(aurea.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer orch.Close()
		job, err := orch.OpenJob(t.Context(), aurea.JobSpec{Name: name, Key: key})
		if right := nameOfJob.MatchString(name) && (key == "" || nameOfJob.MatchString(key)); right != (err == nil) {
			t.Fatalf("%q of %q: %v", name, key, err)
		}
		if err != nil {
			if aurea.ErrorCode(err) != aurea.CodeInvalidRequest {
				t.Fatalf("%q of %q: %v", name, key, err)
			}
			return
		}
		if key == "" {
			key = aurea.LocalKey
		}
		if job.ID != key+"/"+name {
			t.Fatalf("%q of %q became %q", name, key, job.ID)
		}
	})
}
