// Command anthropic-sdk uses Anthropic's official SDK. ANTHROPIC_BASE_URL is all that is changed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/andres20980/aurea-orchestrator/compat/go/control"
)

const model = "claude-haiku-4-5"

var (
	ctx      = context.Background()
	client   = anthropic.NewClient()
	question = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Name a river."))}
	answer   = map[string]any{"answer": map[string]any{"type": "string"}}
	tools    = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{Properties: answer, Required: []string{"answer"}}, "look_up")}
	force    = anthropic.ToolChoiceParamOfTool("look_up")
	none     = anthropic.ToolChoiceUnionParam{OfNone: &anthropic.ToolChoiceNoneParam{}}
)

func ask() anthropic.MessageNewParams {
	return anthropic.MessageNewParams{Model: model, MaxTokens: 200, Messages: question}
}

func stream(params anthropic.MessageNewParams, opts ...option.RequestOption) (message anthropic.Message, events int, err error) {
	s := client.Messages.NewStreaming(ctx, params, opts...)
	for s.Next() {
		if err := message.Accumulate(s.Current()); err != nil {
			return message, events, err
		}
		events++
	}
	return message, events, s.Err()
}

func messages() error {
	done, err := client.Messages.New(ctx, ask())
	if err != nil {
		return err
	}
	return control.Check(done.Content[0].Text != "" && done.Usage.OutputTokens > 0, "%s", done.RawJSON())
}

func messagesStream() error {
	done, events, err := stream(ask())
	if err != nil {
		return err
	}
	return control.Check(events > 5 && done.Content[0].Text != "" && done.Usage.OutputTokens > 0 && done.StopReason != "", "%+v", done)
}

func answerTool(message *anthropic.Message) error {
	use := message.Content[0].AsToolUse()
	var given struct{ Answer string }
	if err := json.Unmarshal(use.Input, &given); err != nil {
		return err
	}
	params := ask()
	params.Messages = append(append([]anthropic.MessageParam{}, question...), message.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, "The Ebro.", false)))
	params.Tools, params.ToolChoice = tools, none
	done, err := client.Messages.New(ctx, params)
	if err != nil {
		return err
	}
	return control.Check(given.Answer != "" && done.Content[0].Text != "", "%s", done.RawJSON())
}

func callTool() error {
	params := ask()
	params.Tools, params.ToolChoice = tools, force
	done, err := client.Messages.New(ctx, params)
	if err != nil {
		return err
	}
	return answerTool(done)
}

func callToolStream() error {
	params := ask()
	params.Tools, params.ToolChoice = tools, force
	done, events, err := stream(params)
	if err != nil {
		return err
	}
	return errors.Join(control.Check(events > 5, "%d events", events), answerTool(&done))
}

func structured() error {
	params := ask()
	params.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{
		Schema: map[string]any{"type": "object", "properties": answer, "required": []string{"answer"}, "additionalProperties": false},
	}}
	done, err := client.Messages.New(ctx, params)
	if err != nil {
		return err
	}
	var given struct{ Answer string }
	return errors.Join(json.Unmarshal([]byte(done.Content[0].Text), &given), control.Check(given.Answer != "", "%s", done.RawJSON()))
}

func countTokens() error {
	n, err := client.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: model, Messages: question})
	if err != nil {
		return err
	}
	return control.Check(n.InputTokens > 0, "%s", n.RawJSON())
}

func models() error {
	found := false
	all := client.Models.ListAutoPaging(ctx, anthropic.ModelListParams{Limit: anthropic.Int(1)})
	for all.Next() {
		found = found || all.Current().ID == model
	}
	return errors.Join(all.Err(), control.Check(found, "%s is not listed", model))
}

func oneModel() error {
	m, err := client.Models.Get(ctx, model, anthropic.ModelGetParams{})
	if err != nil {
		return err
	}
	return control.Check(m.ID == model, "%s", m.RawJSON())
}

func cost() error {
	var raw *http.Response
	if _, err := client.Messages.New(ctx, ask(), option.WithResponseInto(&raw)); err != nil {
		return err
	}
	usd, err := strconv.ParseFloat(raw.Header.Get("X-Aurea-Cost-Usd"), 64)
	return errors.Join(err, control.Check(usd > 0, "it cost %v", usd))
}

func call(s control.Scenario) error {
	var opts []option.RequestOption
	for name, value := range s.Headers {
		opts = append(opts, option.WithHeader(name, value))
	}
	if s.Retries != nil {
		opts = append(opts, option.WithMaxRetries(*s.Retries))
	}
	params := anthropic.MessageNewParams{
		Model: anthropic.Model(s.Model), MaxTokens: s.MaxTokens, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(s.Prompt))},
	}
	if !s.Stream {
		_, err := client.Messages.New(ctx, params, opts...)
		return err
	}
	_, _, err := stream(params, opts...)
	return err
}

func describe(err error) (int, string) {
	var e *anthropic.Error
	if errors.As(err, &e) && e.Response != nil {
		return e.StatusCode, e.Response.Header.Get("X-Aurea-Error")
	}
	return 0, ""
}

func main() {
	control.Version("anthropic-sdk-go", "github.com/anthropics/anthropic-sdk-go")
	for _, f := range []struct {
		name string
		do   func() error
	}{
		{"messages", messages},
		{"messages_stream", messagesStream},
		{"tools", callTool},
		{"tools_stream", callToolStream},
		{"structured", structured},
		{"count_tokens", countTokens},
		{"models", models},
		{"model", oneModel},
		{"cost", cost},
	} {
		control.Feature(f.name, f.do)
	}
	control.Errors("*anthropic.Error", call, describe)
}
