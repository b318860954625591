package aurea

import (
	"fmt"
	"testing"

	"github.com/andres20980/aurea-orchestrator/usage"
)

func conversation(t *testing.T, n int) usage.Outline {
	t.Helper()
	o, err := usage.ReadOutline(usage.Chat, "p", fmt.Appendf(nil, `{"messages":[{"role":"user","content":"%d"},{"role":"user","content":"x"}]}`, n))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (p *prefixes) tokens(job string, o usage.Outline, at int) (known usage.Known, ok bool) {
	id := o.Ends(at + 1)[at]
	_, _, ok = p.bound(job, func(find func(usage.PrefixID) (usage.Known, bool)) (int64, int, bool) {
		known, ok = find(id)
		return 0, 0, ok
	})
	return known, ok
}

// Of two counts the one that bounds stays.
func TestPrefixesLearn(t *testing.T) {
	t.Parallel()
	p, o := &prefixes{}, conversation(t, 1)
	longer, err := usage.ReadOutline(usage.Chat, "p", []byte(`{"messages":[{"role":"user","content":"1"},{"role":"user","content":"x"},{"role":"user","content":"y"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		o           usage.Outline
		tokens      int64
		whole, part usage.Known // of the two messages, and of the first one
	}{
		{longer, 30, usage.Known{Tokens: 30}, usage.Known{Tokens: 30}},
		{o, 20, usage.Known{Tokens: 20, Whole: true}, usage.Known{Tokens: 20}},
		{longer, 31, usage.Known{Tokens: 20, Whole: true}, usage.Known{Tokens: 20}},
		{o, 22, usage.Known{Tokens: 22, Whole: true}, usage.Known{Tokens: 20}},
		{o, 21, usage.Known{Tokens: 22, Whole: true}, usage.Known{Tokens: 20}},
	} {
		p.learn("j", step.o, step.tokens)
		whole, _ := p.tokens("j", o, 0)
		part, _ := p.tokens("j", o, 1)
		if whole != step.whole || part != step.part {
			t.Errorf("after %d: %+v and %+v, want %+v and %+v", step.tokens, whole, part, step.whole, step.part)
		}
	}
	if _, ok := p.tokens("another", o, 0); ok {
		t.Error("known to another job")
	}
}

// The memory is bounded; what was used last stays.
func TestPrefixesForget(t *testing.T) {
	t.Parallel()
	p := &prefixes{}
	p.learn("j", conversation(t, 0), 1)
	for n := range mostPrefixes {
		if _, ok := p.tokens("j", conversation(t, 0), 0); !ok {
			t.Fatalf("%d forgot what is used", n)
		}
		p.learn("j", conversation(t, n+1), 1)
	}
	if _, ok := p.tokens("j", conversation(t, 1), 0); ok {
		t.Error("the oldest is still there")
	}
	if of, _ := p.jobs.get("j"); len(of.entries) != mostPrefixes || of.order.Len() != mostPrefixes {
		t.Errorf("%d entries", len(of.entries))
	}
	for n := range mostJobs {
		p.learn(fmt.Sprint(n), conversation(t, 0), 1)
	}
	if _, ok := p.tokens("j", conversation(t, 0), 0); ok || len(p.jobs.entries) != mostJobs {
		t.Errorf("%d jobs", len(p.jobs.entries))
	}
}
