// Command openai-sdk uses OpenAI's official SDK. OPENAI_BASE_URL is all that is changed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/andres20980/aurea-orchestrator/compat/go/control"
)

const model = "gpt-4o-mini"

var (
	ctx        = context.Background()
	client     = openai.NewClient()
	question   = []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Name a river.")}
	parameters = map[string]any{
		"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}, "required": []string{"answer"}, "additionalProperties": false,
	}
	tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "look_up", Parameters: parameters})}
	force = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "look_up"})
	none  = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}
)

func chat() error {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: model, Messages: question})
	if err != nil {
		return err
	}
	return control.Check(done.Choices[0].Message.Content != "" && done.Usage.CompletionTokens > 0, "%s", done.RawJSON())
}

func chatStream() error {
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question, StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	})
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return control.Check(acc.Choices[0].Message.Content != "" && acc.Usage.CompletionTokens > 0, "%+v", acc)
}

func answerTool(message openai.ChatCompletionMessage) error {
	call := message.ToolCalls[0]
	var given struct{ Answer string }
	if err := json.Unmarshal([]byte(call.Function.Arguments), &given); err != nil {
		return err
	}
	history := append(append([]openai.ChatCompletionMessageParamUnion{}, question...), message.ToParam(), openai.ToolMessage("The Ebro.", call.ID))
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: model, Messages: history, Tools: tools, ToolChoice: none})
	if err != nil {
		return err
	}
	return control.Check(given.Answer != "" && done.Choices[0].Message.Content != "", "%s", done.RawJSON())
}

func callTool() error {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: model, Messages: question, Tools: tools, ToolChoice: force})
	if err != nil {
		return err
	}
	return answerTool(done.Choices[0].Message)
}

func callToolStream() error {
	stream := client.Chat.Completions.NewStreaming(ctx, openai.ChatCompletionNewParams{Model: model, Messages: question, Tools: tools, ToolChoice: force})
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return answerTool(acc.Choices[0].Message)
}

func structured() error {
	done, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: question,
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Schema: parameters, Strict: openai.Bool(true)},
		}},
	})
	if err != nil {
		return err
	}
	var given struct{ Answer string }
	return errors.Join(json.Unmarshal([]byte(done.Choices[0].Message.Content), &given), control.Check(given.Answer != "", "%s", done.RawJSON()))
}

func embeddings() error {
	done, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a river", "a lake"}},
	})
	if err != nil {
		return err
	}
	return control.Check(len(done.Data) == 2 && len(done.Data[1].Embedding) == 1536, "%d vectors", len(done.Data))
}

func response() error {
	done, err := client.Responses.New(ctx, responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Name a river.")}})
	if err != nil {
		return err
	}
	return control.Check(done.OutputText() != "" && done.Usage.OutputTokens > 0, "%s", done.RawJSON())
}

func responseStream() error {
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Name a river.")}})
	text, last := "", responses.ResponseStreamEventUnion{}
	for stream.Next() {
		if last = stream.Current(); last.Type == "response.output_text.delta" {
			text += last.Delta
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return control.Check(last.Type == "response.completed" && text != "" && last.Response.OutputText() == text, "%s", last.RawJSON())
}

func responseTools() error {
	tools := []responses.ToolUnionParam{responses.ToolParamOfFunction("look_up", parameters, true)}
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
		Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Name a river.")}, Tools: tools,
		ToolChoice: responses.ResponseNewParamsToolChoiceUnion{OfToolChoiceMode: openai.Opt(responses.ToolChoiceOptionsRequired)},
	})
	pieces, last := 0, responses.ResponseStreamEventUnion{}
	for stream.Next() {
		if last = stream.Current(); last.Type == "response.function_call_arguments.delta" {
			pieces++
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	call := last.Response.Output[0].AsFunctionCall()
	output := responses.ResponseInputItemParamOfFunctionCallOutput("The Ebro.")
	output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
	done, err := client.Responses.New(ctx, responses.ResponseNewParams{
		Model: model, Tools: tools, ToolChoice: responses.ResponseNewParamsToolChoiceUnion{OfToolChoiceMode: openai.Opt(responses.ToolChoiceOptionsNone)},
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage("Name a river.", responses.EasyInputMessageRoleUser),
			responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name), output,
		}},
	})
	if err != nil {
		return err
	}
	var given struct{ Answer string }
	return errors.Join(json.Unmarshal([]byte(call.Arguments), &given), control.Check(pieces > 1 && given.Answer != "" && done.OutputText() != "", "%d pieces, %s", pieces, done.RawJSON()))
}

func models() error {
	found := false
	all := client.Models.ListAutoPaging(ctx)
	for all.Next() {
		found = found || all.Current().ID == model
	}
	return errors.Join(all.Err(), control.Check(found, "%s is not listed", model))
}

func oneModel() error {
	m, err := client.Models.Get(ctx, model)
	if err != nil {
		return err
	}
	return control.Check(m.ID == model, "%s", m.RawJSON())
}

func cost() error {
	var raw *http.Response
	_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: model, Messages: question}, option.WithResponseInto(&raw))
	if err != nil {
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
	params := openai.ChatCompletionNewParams{
		Model: s.Model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(s.Prompt)}, MaxTokens: openai.Int(s.MaxTokens),
	}
	if !s.Stream {
		_, err := client.Chat.Completions.New(ctx, params, opts...)
		return err
	}
	stream := client.Chat.Completions.NewStreaming(ctx, params, opts...)
	for stream.Next() {
	}
	return stream.Err()
}

func describe(err error) (int, string) {
	var e *openai.Error
	if errors.As(err, &e) {
		return e.StatusCode, e.Code
	}
	return 0, ""
}

func main() {
	control.Version("openai-go", "github.com/openai/openai-go/v3")
	for _, f := range []struct {
		name string
		do   func() error
	}{
		{"chat", chat},
		{"chat_stream", chatStream},
		{"tools", callTool},
		{"tools_stream", callToolStream},
		{"structured", structured},
		{"embeddings", embeddings},
		{"responses", response},
		{"responses_stream", responseStream},
		{"responses_tools", responseTools},
		{"models", models},
		{"model", oneModel},
		{"cost", cost},
	} {
		control.Feature(f.name, f.do)
	}
	control.Errors("*openai.Error", call, describe)
}
