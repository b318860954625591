package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	aurea "github.com/andres20980/aurea-orchestrator"
	"github.com/andres20980/aurea-orchestrator/config"
	"github.com/andres20980/aurea-orchestrator/internal/app"
	"github.com/andres20980/aurea-orchestrator/redact"
)

func (p *program) redactCommand() *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use:   "redact",
		Short: "Mask personal data and credentials in a text",
		Long: `Read a text on standard input and write it with personal data and credentials masked, as Aurea's own log is. Nothing is sent.

Text comes as it is read; at most 256 bytes are held back, and with patterns of your own a line. What comes is what the text as a whole becomes. With --jsonl each line is an object {"text":…}, and one comes out for each, in the same order; a line that is anything else ends it
with exit code 1 and the line's number.

REDACT_PII=false (logging.redact_pii) leaves personal data; credentials are masked always. Your own texts, patterns and exceptions are
logging.redact_literals, redact_patterns and redact_allow. What is found, and what is not, is in docs/redaction.md.`,
		Example: `  journalctl -u app | aurea redact
  aurea redact < prompt.txt
  jq -c '{text: .message}' log.jsonl | aurea redact --jsonl`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := p.load(config.Options{})
			if err != nil {
				return err
			}
			_, red := app.Logger(cfg, p.stderr)
			p.redact = red.Redact
			if lines {
				return p.redactObjects(red)
			}
			return p.redactText(red)
		},
	}
	cmd.Flags().BoolVar(&lines, "jsonl", false, `lines are objects {"text":…}`)
	return cmd
}

func (p *program) redactText(red *redact.Redactor) error {
	out := red.NewWriter(p.stdout)
	_, err := io.Copy(out, p.stdin)
	return errors.Join(err, out.Close())
}

// longestLine is how long one line of standard input may be.
const longestLine = 256 << 20

// redactObjects writes as much as was right before a line that is not.
func (p *program) redactObjects(red *redact.Redactor) (err error) {
	in, out := bufio.NewReaderSize(p.stdin, 64<<10), bufio.NewWriterSize(p.stdout, 64<<10)
	defer func() { err = errors.Join(err, out.Flush()) }()
	for n := 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var text string
		if err == nil {
			text, err = textOf(line)
		}
		if err != nil {
			return &aurea.Error{Code: aurea.CodeInvalidRequest, Message: fmt.Sprintf("line %d: %v", n, err), Hint: `write one object {"text":…} per line`}
		}
		b, err := json.Marshal(struct {
			Text string `json:"text"`
		}{red.Redact(text)})
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return err
		}
		if in.Buffered() == 0 { // whoever waits for an answer to this line gets it
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// readLine returns the next line without its end, or [io.EOF].
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= longestLine:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("is longer than %d MB", longestLine>>20)
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// textOf is the text of an object that has that and nothing else.
func textOf(line []byte) (string, error) {
	var object map[string]jsontext.Value
	if err := json.Unmarshal(line, &object); err != nil || object == nil {
		return "", errors.New("is no JSON object")
	}
	raw, ok := object["text"]
	if len(object) != 1 {
		for name := range object {
			if name != "text" {
				return "", fmt.Errorf("has the member %q, which would be lost", clip(name))
			}
		}
	}
	if !ok || raw.Kind() != '"' {
		return "", errors.New(`has no string "text"`)
	}
	var text string
	err := json.Unmarshal(slices.Clone(raw), &text)
	return text, err
}

func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
