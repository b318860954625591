"""The official OpenAI SDK. OPENAI_BASE_URL is all that is changed."""

import json

import openai
from pydantic import BaseModel

import control

client = openai.OpenAI()
MODEL = "gpt-4o-mini"
ASK = [{"role": "user", "content": "Name a river."}]
PARAMETERS = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Looks a river up", "parameters": PARAMETERS}}
FORCE = {"type": "function", "function": {"name": "look_up"}}


class Answer(BaseModel):
    answer: str


def chat():
    done = client.chat.completions.create(model=MODEL, messages=ASK)
    return bool(done.choices[0].message.content) and done.usage.completion_tokens > 0


def chat_stream():
    text, usage = "", None
    for chunk in client.chat.completions.create(model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True}):
        text += chunk.choices[0].delta.content or "" if chunk.choices else ""
        usage = chunk.usage or usage
    plain = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    return bool(text) and usage.completion_tokens > 0 and all(c.choices and c.usage is None for c in plain)


def answer_tool(message):
    call = message.tool_calls[0]
    json.loads(call.function.arguments)["answer"]
    history = [*ASK, message, {"role": "tool", "tool_call_id": call.id, "content": "The Ebro."}]
    done = client.chat.completions.create(model=MODEL, messages=history, tools=[TOOL], tool_choice="none")
    return bool(done.choices[0].message.content)


def tools():
    done = client.chat.completions.create(model=MODEL, messages=ASK, tools=[TOOL], tool_choice=FORCE)
    return done.choices[0].finish_reason == "tool_calls" and answer_tool(done.choices[0].message)


def tools_stream():
    with client.chat.completions.stream(model=MODEL, messages=ASK, tools=[TOOL], tool_choice=FORCE) as stream:
        pieces = [e for e in stream if e.type == "tool_calls.function.arguments.delta"]
    message = stream.get_final_completion().choices[0].message
    return len(pieces) > 1 and answer_tool(message)


def structured():
    done = client.chat.completions.parse(model=MODEL, messages=ASK, response_format=Answer)
    one = client.responses.parse(model=MODEL, input="Name a river.", text_format=Answer)
    return bool(done.choices[0].message.parsed.answer) and bool(one.output_parsed.answer)


def embeddings():
    done = client.embeddings.create(model="text-embedding-3-small", input=["a river", "a lake"])
    floats = client.embeddings.create(model="text-embedding-3-small", input="a river", encoding_format="float")
    return [len(d.embedding) for d in done.data] == [1536, 1536] and len(floats.data[0].embedding) == 1536


def responses():
    done = client.responses.create(model=MODEL, input="Name a river.")
    return bool(done.output_text) and done.usage.output_tokens > 0


def responses_stream():
    text, last = "", None
    for event in client.responses.create(model=MODEL, input="Name a river.", stream=True):
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    return last.type == "response.completed" and text == last.response.output_text


def responses_tools():
    tool = {"type": "function", "name": "look_up", "parameters": PARAMETERS, "strict": True}
    with client.responses.stream(model=MODEL, input="Name a river.", tools=[tool], tool_choice="required") as stream:
        pieces = [e for e in stream if e.type == "response.function_call_arguments.delta"]
        call = stream.get_final_response().output[0]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "The Ebro."}
    given = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    done = client.responses.create(model=MODEL, input=[*ASK, given, result], tools=[tool], tool_choice="none")
    return len(pieces) > 1 and bool(json.loads(call.arguments)["answer"]) and bool(done.output_text)


def models():
    return MODEL in [m.id for m in client.models.list()]


def model():
    return client.models.retrieve(MODEL).id == MODEL


def cost():
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    return float(raw.headers["x-aurea-cost-usd"]) > 0 and bool(raw.parse().choices)


def call(s):
    own = client if s["retries"] is None else client.with_options(max_retries=s["retries"])
    done = own.chat.completions.create(
        model=s["model"], messages=[{"role": "user", "content": s["prompt"]}], max_tokens=s["max_tokens"], extra_headers=s["headers"], stream=s["stream"]
    )
    return list(done) if s["stream"] else done


def describe(e):
    return getattr(e, "status_code", 0), getattr(e, "code", "")


control.version("openai " + openai.__version__)
for check in (chat, chat_stream, tools, tools_stream, structured, embeddings, responses, responses_stream, responses_tools, models, model, cost):
    control.feature(check.__name__, check)
control.errors(call, describe)
