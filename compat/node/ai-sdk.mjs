// Vercel's AI SDK. Only the base URL is changed; COMPAT_FORMAT says which provider it uses.
import { readFileSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import * as control from "./control.mjs";

const format = process.env.COMPAT_FORMAT;
const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL });
const anthropic = createAnthropic({ baseURL: process.env.ANTHROPIC_BASE_URL + "/v1" });
const at = (name) => (format === "openai" ? openai.chat(name) : anthropic(name));
const model = at(format === "openai" ? "gpt-4o-mini" : "claude-haiku-4-5");
const prompt = "Name a river.";
const schema = z.object({ answer: z.string() });
const look_up = tool({ description: "Looks a river up", inputSchema: schema, execute: async () => "The Ebro." });

async function read(stream) {
  const parts = [];
  for await (const part of stream.fullStream) {
    if (part.type === "error") throw part.error;
    parts.push(part);
  }
  return parts;
}

const plain = (model) => async () => {
  const done = await generateText({ model, prompt });
  return done.text.length > 0 && done.usage.outputTokens > 0;
};
const streamed = (model) => async () => {
  const stream = streamText({ model, prompt });
  const parts = await read(stream);
  return parts.filter((p) => p.type === "text-delta").length > 1 && (await stream.usage).outputTokens > 0;
};
// The first step is made to call the tool, the second to answer with its result.
const once = ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? { type: "tool", toolName: "look_up" } : "none" });
const whole = { tools: { look_up }, stopWhen: stepCountIs(2), prepareStep: once, prompt };
const withTools = (model) => async () => {
  const done = await generateText({ model, ...whole });
  return done.steps.length === 2 && done.steps[0].toolCalls[0].input.answer.length > 0 && done.text.length > 0;
};
const withToolsStreamed = (model) => async () => {
  const stream = streamText({ model, ...whole });
  const parts = await read(stream);
  return parts.filter((p) => p.type === "tool-input-delta").length > 1 && (await stream.steps).length === 2 && (await stream.text).length > 0;
};

const checks = {
  tools: withTools(model),
  tools_stream: withToolsStreamed(model),
  async structured() {
    return (await generateObject({ model, schema, prompt })).object.answer.length > 0;
  },
  async cost() {
    return Number((await generateText({ model, prompt })).response.headers["x-aurea-cost-usd"]) > 0;
  },
};
if (format === "openai") {
  Object.assign(checks, {
    chat: plain(model),
    chat_stream: streamed(model),
    responses: plain(openai.responses("gpt-4o-mini")),
    responses_stream: streamed(openai.responses("gpt-4o-mini")),
    responses_tools: withToolsStreamed(openai.responses("gpt-4o-mini")),
    async embeddings() {
      const done = await embedMany({ model: openai.embedding("text-embedding-3-small"), values: ["a river", "a lake"] });
      return done.embeddings.length === 2 && done.embeddings[1].length === 1536;
    },
  });
} else {
  Object.assign(checks, { messages: plain(model), messages_stream: streamed(model) });
}

const version = (name) => JSON.parse(readFileSync(new URL(`./node_modules/${name}/package.json`, import.meta.url))).version;
await control.version(`ai ${version("ai")}, @ai-sdk/${format} ${version("@ai-sdk/" + format)}`);
for (const [name, run] of Object.entries(checks)) await control.feature(name, run);
await control.errors(
  async (s) => {
    const call = { model: at(s.model), prompt: s.prompt, maxOutputTokens: s.max_tokens, headers: s.headers, ...(s.retries !== null && { maxRetries: s.retries }) };
    if (!s.stream) return generateText(call);
    await read(streamText({ ...call, onError() {} }));
  },
  (e) => {
    const last = e.lastError ?? e; // after retries it is an error of its own with the last one in it
    return { status: last.statusCode, code: last.responseHeaders?.["x-aurea-error"], error: e };
  },
);
