//go:build unix

package e2e_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// bare is the program in a folder without a configuration and without any variable of ours.
func bare(t *testing.T, more ...string) *house {
	t.Helper()
	dir := t.TempDir()
	return &house{tb: t, dir: dir, env: append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1"}, more...)}
}

// bareRuns runs the program in the house's folder with nothing but the given arguments.
func (h *house) bareRuns(code int, args ...string) *process {
	h.tb.Helper()
	cmd := h.command(args...)
	cmd.Args = append([]string{binary}, args...)
	p := h.startCmd(cmd)
	p.exits(code)
	return p
}

// What init writes is good as it stands, for its owner only, and is never written over by accident.
func TestConfigInit(t *testing.T) {
	t.Parallel()
	h := bare(t)
	p := h.bareRuns(0, "config", "init")
	if p.stdout.String() != h.path("aurea.yaml")+"\n" || !strings.Contains(p.stderr.String(), "aurea config check") {
		t.Errorf("stdout %q, stderr %q", p.stdout.String(), p.stderr.String())
	}
	info, err := os.Stat(h.path("aurea.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	written, err := os.ReadFile(h.path("aurea.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if example, err := os.ReadFile("../aurea.example.yaml"); err != nil || string(example) != string(written) {
		t.Errorf("it is not aurea.example.yaml (%v)", err)
	}
	h.bareRuns(0, "config", "check")

	h.write("aurea.yaml", "budget: {max_job_cost: 3}\n")
	if f := h.bareRuns(2, "config", "init", "--json").failure(); !strings.Contains(f.Hint, "--force") {
		t.Errorf("the refusal: %+v", f)
	}
	if b, _ := os.ReadFile(h.path("aurea.yaml")); string(b) != "budget: {max_job_cost: 3}\n" {
		t.Errorf("the file that was there is now %q", b)
	}
	if err := os.Chmod(h.path("aurea.yaml"), 0o644); err != nil { // as an editor leaves it
		t.Fatal(err)
	}
	h.bareRuns(0, "config", "init", "--force")
	b, _ := os.ReadFile(h.path("aurea.yaml"))
	if info, err := os.Stat(h.path("aurea.yaml")); err != nil || info.Mode() != 0o600 || string(b) != string(written) {
		t.Errorf("after --force: %v, %v, %d bytes", info.Mode(), err, len(b))
	}

	// A file elsewhere, whose folder is not there yet; the next steps name it.
	p = h.bareRuns(0, "config", "init", "etc/mine.yaml")
	if !strings.Contains(p.stderr.String(), "aurea config check "+h.path("etc/mine.yaml")) {
		t.Errorf("the next steps: %s", p.stderr.String())
	}
	h.bareRuns(0, "config", "check", "etc/mine.yaml")
	h.bareRuns(2, "config", "init", "etc", "--force") // a folder

	left, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if strings.HasPrefix(file.Name(), ".aurea") {
			t.Errorf("%s was left behind", file.Name())
		}
	}
}

func TestConfigCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	h := bare(t, "MAX_JOB_COST=$5")
	h.write("bad.yaml", "limits:\n  default_rmp: 500\n  max_wait: 5\nmodels:\n  gpt-4o: {provider: opnai}\n")
	p := h.bareRuns(2, "config", "check", "bad.yaml")
	for _, want := range []string{"4 mistakes", "MAX_JOB_COST", "bad.yaml:2", "default_rpm", "bad.yaml:3", "5s", "bad.yaml:5", "opnai"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("nothing of %q in %s", want, p.stderr.String())
		}
	}
	if p.stdout.String() != "" {
		t.Errorf("stdout: %q", p.stdout.String())
	}
	var told struct {
		Error struct {
			Code     string
			Mistakes []struct {
				Source, Key, Problem, Hint string
				Line                       int
			}
		}
	}
	p = h.bareRuns(2, "config", "check", "bad.yaml", "--json")
	if err := json.Unmarshal([]byte(p.stdout.String()), &told); err != nil {
		t.Fatal(err)
	}
	m := told.Error.Mistakes
	if told.Error.Code != "usage" || len(m) != 4 || m[0].Source != "environment" || m[1].Line != 2 || m[1].Key != "limits.default_rmp" || m[1].Problem == "" || m[1].Hint == "" {
		t.Errorf("%+v", told)
	}
	h.env = bare(t).env
	h.write("prices.yaml", "prices: {file: not-there.json}\n")
	if f := h.bareRuns(2, "config", "check", "prices.yaml", "--json").failure(); !strings.Contains(f.Message, "not-there.json") {
		t.Errorf("a price file that is not there: %+v", f)
	}
	h.bareRuns(2, "config", "check", "bad.yaml", "--config", "other.yaml")
	h.bareRuns(2, "config", "check", "nowhere.yaml")
	h.bareRuns(2, "config", "check", "")
}

// A good configuration is told with its sources, and never with a secret.
func TestConfigCheckTellsSources(t *testing.T) {
	t.Parallel()
	h := newHouse(t, behaviour{}, "budget: {max_job_cost: 4}\n")
	h.write(".env", "DEFAULT_RPM=77\n")
	cmd := []string{"config", "check", "--log-level", "error"}
	p := h.bareRuns(0, cmd...)
	text := p.stdout.String()
	for _, want := range []string{h.path("aurea.yaml"), "working directory", h.path(".env"), "limits.default_rpm (.env DEFAULT_RPM)", "logging.level (--log-level)", "aurea.db"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in\n%s", want, text)
		}
	}
	p = h.bareRuns(0, append(cmd, "--json")...)
	if strings.Contains(text+p.stdout.String()+p.stderr.String(), h.key) {
		t.Error("the API key is shown")
	}
	var told struct {
		OK     bool
		File   string
		Given  map[string]string
		Config struct {
			Budget struct {
				Max string `json:"max_job_cost"`
			}
		}
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), &told); err != nil {
		t.Fatal(err)
	}
	if !told.OK || told.File != h.path("aurea.yaml") || told.Given["limits.default_rpm"] != ".env DEFAULT_RPM" || told.Config.Budget.Max != "4" {
		t.Errorf("%+v", told)
	}
	if _, err := os.Stat(h.path("aurea")); err == nil {
		t.Error("looking at the configuration made a database")
	}
}

func TestConfigPath(t *testing.T) {
	t.Parallel()
	h := bare(t)
	none := h.bareRuns(0, "config", "path")
	if none.stdout.String() != "" || !strings.Contains(none.stderr.String(), "no configuration file") {
		t.Errorf("without a file: %q, %q", none.stdout.String(), none.stderr.String())
	}
	if got := strings.TrimSpace(h.bareRuns(0, "config", "path", "--json").stdout.String()); got != `{"found_by":null,"path":null}` {
		t.Errorf("without a file: %s", got)
	}
	h.write("aurea.yaml", "this: [is not a configuration\n") // it is the one in use all the same
	p := h.bareRuns(0, "config", "path")
	if p.stdout.String() != h.path("aurea.yaml")+"\n" || !strings.Contains(p.stderr.String(), "working directory") {
		t.Errorf("%q, %q", p.stdout.String(), p.stderr.String())
	}
	h.write("b.yaml", "")
	h.env = append(h.env, "AUREA_CONFIG=b.yaml")
	if p := h.bareRuns(0, "config", "path"); p.stdout.String() != h.path("b.yaml")+"\n" || !strings.Contains(p.stderr.String(), "AUREA_CONFIG") {
		t.Errorf("%q, %q", p.stdout.String(), p.stderr.String())
	}
	if f := h.bareRuns(2, "config", "path", "--config", "c.yaml", "--json").failure(); !strings.Contains(f.Message, h.path("c.yaml")) {
		t.Errorf("a file that is not there: %+v", f)
	}
}
