// The official Anthropic SDK. ANTHROPIC_BASE_URL is all that is changed.
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { VERSION } from "@anthropic-ai/sdk/version";
import { z } from "zod";
import * as control from "./control.mjs";

const client = new Anthropic();
const model = "claude-haiku-4-5";
const max_tokens = 200;
const messages = [{ role: "user", content: "Name a river." }];
const input_schema = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] };
const tools = [{ name: "look_up", description: "Looks a river up", input_schema }];
const tool_choice = { type: "tool", name: "look_up" };

async function answerTool(message) {
  const use = message.content[0];
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "The Ebro." }] };
  const history = [...messages, { role: "assistant", content: message.content }, result];
  const done = await client.messages.create({ model, max_tokens, messages: history, tools, tool_choice: { type: "none" } });
  return use.input.answer.length > 0 && done.content[0].text.length > 0;
}

const checks = {
  async messages() {
    const done = await client.messages.create({ model, max_tokens, messages });
    return done.content[0].text.length > 0 && done.usage.output_tokens > 0;
  },
  async messages_stream() {
    let text = "", last;
    const stream = client.messages.stream({ model, max_tokens, messages }).on("text", (t) => (text += t));
    const done = await stream.finalMessage();
    for await (const event of await client.messages.create({ model, max_tokens, messages, stream: true })) last = event;
    return text === done.content[0].text && done.usage.output_tokens > 0 && last.type === "message_stop";
  },
  async tools() {
    const done = await client.messages.create({ model, max_tokens, messages, tools, tool_choice });
    return done.stop_reason === "tool_use" && answerTool(done);
  },
  async tools_stream() {
    let pieces = 0;
    const stream = client.messages.stream({ model, max_tokens, messages, tools, tool_choice }).on("inputJson", () => pieces++);
    return answerTool(await stream.finalMessage()).then((ok) => ok && pieces > 1);
  },
  async structured() {
    const format = zodOutputFormat(z.object({ answer: z.string() }));
    const done = await client.messages.parse({ model, max_tokens, messages, output_config: { format } });
    return done.parsed_output.answer.length > 0;
  },
  async count_tokens() {
    return (await client.messages.countTokens({ model, messages })).input_tokens > 0;
  },
  async models() {
    const names = [];
    for await (const m of client.models.list({ limit: 1 })) names.push(m.id);
    return names.includes(model);
  },
  async model() {
    return (await client.models.retrieve(model)).id === model;
  },
  async cost() {
    const { data, response } = await client.messages.create({ model, max_tokens, messages }).withResponse();
    return Number(response.headers.get("x-aurea-cost-usd")) > 0 && data.content.length > 0;
  },
};

await control.version("@anthropic-ai/sdk " + VERSION);
for (const [name, run] of Object.entries(checks)) await control.feature(name, run);
await control.errors(
  async (s) => {
    const body = { model: s.model, messages: [{ role: "user", content: s.prompt }], max_tokens: s.max_tokens, stream: s.stream };
    const done = await client.messages.create(body, { headers: s.headers, ...(s.retries !== null && { maxRetries: s.retries }) });
    if (s.stream) for await (const _ of done);
  },
  (e) => ({ status: e.status, code: e.headers?.get("x-aurea-error") }),
);
