// Command compat runs the official SDKs, unmodified, against aurea serve and a simulated provider, and keeps the tables of docs/clients.md true.
//
//	go run . -aurea ../bin/aurea [-write] [-strict] [-only openai-python]
//
// Each client is a program of its own, beside a provider and a gateway of its own, all on loopback. It says what it does to the runner, which counts the requests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// client is a program that uses one SDK.
type client struct {
	Name    string
	Format  string // openai or anthropic
	Group   string // what has to be installed
	Command func(in *installed) []string
	// Official SDKs obey x-should-retry; others repeat what their own rules say.
	Official bool
}

func python(name string) func(*installed) []string {
	return func(in *installed) []string { return []string{in.python, filepath.Join(in.root, "python", name+".py")} }
}

func node(name string) func(*installed) []string {
	return func(in *installed) []string { return []string{"node", filepath.Join(in.node, name+".mjs")} }
}

func gobinary(name string) func(*installed) []string {
	return func(in *installed) []string { return []string{filepath.Join(in.bin, name)} }
}

var clients = []client{
	{Name: "openai-python", Format: "openai", Group: "python", Command: python("openai_sdk"), Official: true},
	{Name: "openai-node", Format: "openai", Group: "node", Command: node("openai-sdk"), Official: true},
	{Name: "openai-go", Format: "openai", Group: "go", Command: gobinary("openai-sdk"), Official: true},
	{Name: "ai-sdk-openai", Format: "openai", Group: "node", Command: node("ai-sdk")},
	{Name: "langchain-openai", Format: "openai", Group: "python", Command: python("langchain_clients")},
	{Name: "anthropic-python", Format: "anthropic", Group: "python", Command: python("anthropic_sdk"), Official: true},
	{Name: "anthropic-node", Format: "anthropic", Group: "node", Command: node("anthropic-sdk"), Official: true},
	{Name: "anthropic-go", Format: "anthropic", Group: "go", Command: gobinary("anthropic-sdk"), Official: true},
	{Name: "ai-sdk-anthropic", Format: "anthropic", Group: "node", Command: node("ai-sdk")},
	{Name: "langchain-anthropic", Format: "anthropic", Group: "python", Command: python("langchain_clients")},
}

func main() {
	o := options{}
	flag.StringVar(&o.aurea, "aurea", "../bin/aurea", "the program to try")
	flag.StringVar(&o.doc, "doc", "../docs/clients.md", "the page with the tables")
	flag.BoolVar(&o.write, "write", false, "write the tables into the page instead of comparing them")
	flag.BoolVar(&o.strict, "strict", false, "fail where a client cannot be installed")
	flag.StringVar(&o.only, "only", "", "run only this client")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	err := o.run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1) //nolint:gocritic // what is deferred has no more to do
	}
}

type options struct {
	aurea, doc, only string
	write, strict    bool
}

func (o *options) run(ctx context.Context) error {
	began := time.Now()
	aurea, err := filepath.Abs(o.aurea)
	if err != nil {
		return err
	}
	in, err := install(ctx, o.only)
	if err != nil {
		return err
	}
	took := time.Since(began)
	reports := make([]*report, 0, len(clients))
	var wg sync.WaitGroup
	for i := range clients {
		c := &clients[i]
		if o.only != "" && o.only != c.Name {
			continue
		}
		r := &report{Client: c}
		reports = append(reports, r)
		if r.Skipped = in.missing[c.Group]; r.Skipped != "" {
			continue
		}
		wg.Go(func() { r.run(ctx, aurea, in) })
	}
	page, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	tried := guides(string(page))
	found := make([]error, len(tried))
	for i := range tried {
		if g := &tried[i]; o.only == "" && in.missing[g.group] == "" {
			wg.Go(func() { found[i] = g.run(ctx, aurea, in) })
		}
	}
	wg.Wait()
	failed, skipped, passed := 0, 0, 0
	for i, g := range tried {
		switch {
		case found[i] != nil:
			failed++
			fmt.Printf("compat: the guide in %s is wrong: %s\n", g.language, strings.ReplaceAll(found[i].Error(), "\n", "\n  "))
		case o.only == "" && in.missing[g.group] == "":
			passed++
			fmt.Printf("compat: the guide in %s runs as it is written\n", g.language)
		}
	}
	for _, r := range reports {
		if r.Skipped != "" {
			skipped++
			fmt.Printf("compat: %s SKIPPED: %s\n", r.Client.Name, r.Skipped)
			continue
		}
		passed += max(0, len(r.Results)-len(r.Wrong))
		failed += len(r.Wrong)
		fmt.Printf("compat: %s %s: %d checks, %d wrong, %.1f s\n", r.Client.Name, r.Version, len(r.Results), len(r.Wrong), r.Took.Seconds())
		for _, w := range r.Wrong {
			fmt.Println("  " + strings.ReplaceAll(w, "\n", "\n    "))
		}
	}
	fmt.Printf("compat: installed in %.0f s, ran in %.0f s; %d checks as they should be, %d not; %d clients skipped\n",
		took.Seconds(), (time.Since(began) - took).Seconds(), passed, failed, skipped)
	if failed > 0 {
		return fmt.Errorf("%d checks are wrong", failed)
	}
	if skipped > 0 && o.strict {
		return fmt.Errorf("%d clients could not be installed", skipped)
	}
	if o.only != "" {
		return nil
	}
	return o.tables(reports)
}
