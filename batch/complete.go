package batch

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/store"
)

// complete turns an attempt's answer into what is written with its cost: a result, or the item's return to the queue.
func (r *Runner) complete(item store.Item, a *aurea.Answer, retryAt time.Time) *store.Completion {
	switch {
	case r.calls.Err() != nil && !a.OK(): // cut off by the second Ctrl-C: not the item's fault
		return &store.Completion{Job: r.job.ID, Seq: item.Seq, Attempt: item.Attempt, State: store.ItemPending}
	case notWritten(a): // what must be on disk before a request leaves could not be written; nothing left
		return &store.Completion{Job: r.job.ID, Seq: item.Seq, Attempt: item.Attempt, State: store.ItemPending}
	case !retryAt.IsZero():
		return &store.Completion{Job: r.job.ID, Seq: item.Seq, Attempt: item.Attempt, State: store.ItemPending, NotBefore: retryAt, Tried: true}
	case !a.OK():
		code, message := failure(a)
		c := r.failed(item, code, message)
		c.Result.Status, c.Result.RequestID, c.Result.Body, c.Result.CallID = a.Status, a.RequestID, a.Body, a.CallID
		return c
	}
	return &store.Completion{
		Job: r.job.ID, Seq: item.Seq, Attempt: item.Attempt, State: store.ItemDone,
		Result: &store.Result{
			Seq: item.Seq, Status: a.Status, RequestID: a.RequestID, Body: a.Body, Truncated: a.Truncated, CallID: a.CallID,
			FinishedAt: time.Now(),
		},
	}
}

func (r *Runner) failed(item store.Item, code, message string) *store.Completion {
	return &store.Completion{
		Job: r.job.ID, Seq: item.Seq, Attempt: item.Attempt, State: store.ItemFailed,
		Result: &store.Result{Seq: item.Seq, ErrorCode: code, ErrorText: message, FinishedAt: time.Now()},
	}
}

var redactor = aurea.NewRedactor(true)

// failure names what an answer that is no result failed with: our own code, or the provider's and its message, redacted. What the provider said word for word is in
// the answer.
func failure(a *aurea.Answer) (code, message string) {
	if a.Err != nil {
		return string(a.Err.Code), a.Err.Error()
	}
	code, message = providerError(a.Body)
	if code == "" {
		code = fmt.Sprintf("http_%d", a.Status)
	}
	if message == "" {
		message = fmt.Sprintf("the provider answered %d", a.Status)
	}
	return code, redactor.Redact(message)
}

// providerError reads error.code (or error.type) and error.message, which both formats have.
func providerError(body []byte) (code, message string) {
	outer, err := object(body)
	if err != nil {
		return "", ""
	}
	value, _ := outer.get("error")
	inner, err := object(value)
	if err != nil {
		return "", ""
	}
	for _, name := range []string{"code", "type"} {
		if v, _ := inner.get(name); code == "" && v.Kind() == jsontext.Kind('"') {
			code, _ = unquote(v)
		}
	}
	message, _ = inner.text("message")
	return code, message
}
