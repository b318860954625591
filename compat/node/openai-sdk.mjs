// The official OpenAI SDK. OPENAI_BASE_URL is all that is changed.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { VERSION } from "openai/version";
import { z } from "zod";
import * as control from "./control.mjs";

const client = new OpenAI();
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Name a river." }];
const parameters = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"], additionalProperties: false };
const tools = [{ type: "function", function: { name: "look_up", description: "Looks a river up", parameters } }];
const tool_choice = { type: "function", function: { name: "look_up" } };
const Answer = z.object({ answer: z.string() });

async function answerTool(message) {
  const call = message.tool_calls[0];
  const history = [...messages, message, { role: "tool", tool_call_id: call.id, content: "The Ebro." }];
  const done = await client.chat.completions.create({ model, messages: history, tools, tool_choice: "none" });
  return JSON.parse(call.function.arguments).answer.length > 0 && done.choices[0].message.content.length > 0;
}

const checks = {
  async chat() {
    const done = await client.chat.completions.create({ model, messages });
    return done.choices[0].message.content.length > 0 && done.usage.completion_tokens > 0;
  },
  async chat_stream() {
    let text = "", usage;
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    let plain = true;
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) plain &&= chunk.choices.length > 0 && !chunk.usage;
    return text.length > 0 && usage.completion_tokens > 0 && plain;
  },
  async tools() {
    const done = await client.chat.completions.create({ model, messages, tools, tool_choice });
    return done.choices[0].finish_reason === "tool_calls" && answerTool(done.choices[0].message);
  },
  async tools_stream() {
    let pieces = 0;
    const stream = client.chat.completions.stream({ model, messages, tools, tool_choice });
    for await (const chunk of stream) pieces += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ? 1 : 0;
    return pieces > 1 && answerTool((await stream.finalChatCompletion()).choices[0].message);
  },
  async structured() {
    const done = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(Answer, "answer") });
    const one = await client.responses.parse({ model, input: "Name a river.", text: { format: zodTextFormat(Answer, "answer") } });
    return done.choices[0].message.parsed.answer.length > 0 && one.output_parsed.answer.length > 0;
  },
  async embeddings() {
    const done = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a river", "a lake"] });
    const floats = await client.embeddings.create({ model: "text-embedding-3-small", input: "a river", encoding_format: "float" });
    return done.data.length === 2 && done.data.concat(floats.data).every((d) => d.embedding.length === 1536);
  },
  async responses() {
    const done = await client.responses.create({ model, input: "Name a river." });
    return done.output_text.length > 0 && done.usage.output_tokens > 0;
  },
  async responses_stream() {
    let text = "", last;
    for await (const event of await client.responses.create({ model, input: "Name a river.", stream: true })) {
      text += event.type === "response.output_text.delta" ? event.delta : "";
      last = event;
    }
    return last.type === "response.completed" && text === last.response.output[0].content[0].text;
  },
  async responses_tools() {
    const tools = [{ type: "function", name: "look_up", parameters, strict: true }];
    let pieces = 0;
    const stream = client.responses.stream({ model, input: "Name a river.", tools, tool_choice: "required" });
    for await (const event of stream) pieces += event.type === "response.function_call_arguments.delta" ? 1 : 0;
    const call = (await stream.finalResponse()).output[0];
    const given = { type: "function_call", call_id: call.call_id, name: call.name, arguments: call.arguments };
    const input = [...messages, given, { type: "function_call_output", call_id: call.call_id, output: "The Ebro." }];
    const done = await client.responses.create({ model, input, tools, tool_choice: "none" });
    return pieces > 1 && JSON.parse(call.arguments).answer.length > 0 && done.output_text.length > 0;
  },
  async models() {
    const names = [];
    for await (const m of client.models.list()) names.push(m.id);
    return names.includes(model);
  },
  async model() {
    return (await client.models.retrieve(model)).id === model;
  },
  async cost() {
    const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
    return Number(response.headers.get("x-aurea-cost-usd")) > 0 && data.choices.length > 0;
  },
};

await control.version("openai " + VERSION);
for (const [name, run] of Object.entries(checks)) await control.feature(name, run);
await control.errors(
  async (s) => {
    const body = { model: s.model, messages: [{ role: "user", content: s.prompt }], max_tokens: s.max_tokens, stream: s.stream };
    const done = await client.chat.completions.create(body, { headers: s.headers, ...(s.retries !== null && { maxRetries: s.retries }) });
    if (s.stream) for await (const _ of done);
  },
  (e) => ({ status: e.status, code: e.code }),
);
