package batch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andres20980/aurea-orchestrator/aureatest"
	"github.com/andres20980/aurea-orchestrator/batch"
)

var prose = strings.Repeat("The parcel left our shop this morning, and should arrive within two days. ", 1000)

// planLines is a file of about 16 MB, in one of the forms that a line can have, each with so many bytes of text.
func planLines(form string, text int) []byte {
	var b bytes.Buffer
	for n := 0; b.Len() < 16<<20; n++ {
		fmt.Fprintf(&b, form+"\n", n, prose[:text])
	}
	return b.Bytes()
}

const (
	shortForm = `{"id":"item-%d","model":"gpt-4o-mini","prompt":"%s"}`
	batchForm = `{"custom_id":"item-%d","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini","max_tokens":300,` +
		`"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"%s"}]}}`
)

// A file planned, beside a bare decode by encoding/json and a bare read of the same bytes. Everything is on one goroutine.
func BenchmarkPlan(b *testing.B) {
	o := aureatest.New(b)
	for _, c := range []struct {
		name, form string
		text       int
	}{
		{"shorthand/100B", shortForm, 100}, {"shorthand/1KB", shortForm, 1000}, {"batch/100B", batchForm, 100}, {"batch/1KB", batchForm, 1000}, {"batch/10KB", batchForm, 10_000},
	} {
		file := planLines(c.form, c.text)
		b.Run(c.name+"/plan", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			planner := o.Planner()
			for b.Loop() {
				if _, err := batch.Read(b.Context(), bytes.NewReader(file), batch.ReadOptions{}, planner.Add); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				dec := json.NewDecoder(bytes.NewReader(file))
				for dec.More() {
					var line struct {
						ID   string `json:"custom_id"` //nolint:tagliatelle // the format's name
						Body struct {
							Model string `json:"model"`
						} `json:"body"`
					}
					if err := dec.Decode(&line); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(c.name+"/read", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			buf := make([]byte, 1<<20)
			for b.Loop() {
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{bytes.NewReader(file)}, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
