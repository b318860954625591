"""The official Anthropic SDK. ANTHROPIC_BASE_URL is all that is changed."""

import anthropic
from pydantic import BaseModel

import control

client = anthropic.Anthropic()
MODEL = "claude-haiku-4-5"
ASK = [{"role": "user", "content": "Name a river."}]
TOOL = {"name": "look_up", "description": "Looks a river up", "input_schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}}
FORCE = {"type": "tool", "name": "look_up"}


class Answer(BaseModel):
    answer: str


def messages():
    done = client.messages.create(model=MODEL, max_tokens=200, messages=ASK)
    return bool(done.content[0].text) and done.usage.output_tokens > 0


def messages_stream():
    with client.messages.stream(model=MODEL, max_tokens=200, messages=ASK) as stream:
        text = "".join(stream.text_stream)
        done = stream.get_final_message()
    last = None
    for event in client.messages.create(model=MODEL, max_tokens=200, messages=ASK, stream=True):
        last = event
    return text == done.content[0].text and done.usage.output_tokens > 0 and last.type == "message_stop"


def answer_tool(message):
    use = message.content[0]
    use.input["answer"]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "The Ebro."}]}
    history = [*ASK, {"role": "assistant", "content": message.content}, result]
    done = client.messages.create(model=MODEL, max_tokens=200, messages=history, tools=[TOOL], tool_choice={"type": "none"})
    return bool(done.content[0].text)


def tools():
    done = client.messages.create(model=MODEL, max_tokens=200, messages=ASK, tools=[TOOL], tool_choice=FORCE)
    return done.stop_reason == "tool_use" and answer_tool(done)


def tools_stream():
    with client.messages.stream(model=MODEL, max_tokens=200, messages=ASK, tools=[TOOL], tool_choice=FORCE) as stream:
        pieces = [e for e in stream if e.type == "input_json"]
        done = stream.get_final_message()
    return len(pieces) > 1 and answer_tool(done)


def structured():
    done = client.messages.parse(model=MODEL, max_tokens=200, messages=ASK, output_format=Answer)
    return bool(done.parsed_output.answer)


def count_tokens():
    return client.messages.count_tokens(model=MODEL, messages=ASK).input_tokens > 0


def models():
    return MODEL in [m.id for m in client.models.list(limit=1)]


def model():
    return client.models.retrieve(MODEL).id == MODEL


def cost():
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=200, messages=ASK)
    return float(raw.headers["x-aurea-cost-usd"]) > 0 and bool(raw.parse().content)


def call(s):
    own = client if s["retries"] is None else client.with_options(max_retries=s["retries"])
    done = own.messages.create(
        model=s["model"], messages=[{"role": "user", "content": s["prompt"]}], max_tokens=s["max_tokens"], extra_headers=s["headers"], stream=s["stream"]
    )
    return list(done) if s["stream"] else done


def describe(e):
    response = getattr(e, "response", None)
    return getattr(e, "status_code", 0), response.headers.get("x-aurea-error", "") if response is not None else ""


control.version("anthropic " + anthropic.__version__)
for check in (messages, messages_stream, tools, tools_stream, structured, count_tokens, models, model, cost):
    control.feature(check.__name__, check)
control.errors(call, describe)
