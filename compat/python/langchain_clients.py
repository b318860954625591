"""LangChain over the official SDKs. Only the base URL is changed; COMPAT_FORMAT says which of the two it uses."""

import os
from importlib.metadata import version

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

import control

FORMAT = os.environ["COMPAT_FORMAT"]
ASK = [HumanMessage("Name a river.")]


def model(name=None, **more):
    if FORMAT == "openai":
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=name or "gpt-4o-mini", **more)
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=name or "claude-haiku-4-5", **({"max_tokens": 200} | more))


class Answer(BaseModel):
    """An answer."""

    answer: str


@tool
def look_up(answer: str) -> str:
    """Looks a river up."""
    return "The Ebro."


def plain():
    done = model().invoke(ASK)
    return bool(done.text) and done.usage_metadata["output_tokens"] > 0


def stream():
    whole = None
    for chunk in model(stream_usage=True).stream(ASK):
        whole = chunk if whole is None else whole + chunk
    return bool(whole.text) and whole.usage_metadata["output_tokens"] > 0


def answer_tool(message):
    call = message.tool_calls[0]
    history = [*ASK, message, ToolMessage(look_up.invoke(call["args"]), tool_call_id=call["id"])]
    done = model().bind_tools([look_up], tool_choice="none" if FORMAT == "openai" else {"type": "none"}).invoke(history)
    return bool(call["args"]["answer"]) and bool(done.text)


def tools():
    return answer_tool(model().bind_tools([look_up], tool_choice="look_up").invoke(ASK))


def tools_stream():
    whole, pieces = None, 0
    for chunk in model().bind_tools([look_up], tool_choice="look_up").stream(ASK):
        whole, pieces = chunk if whole is None else whole + chunk, pieces + len(chunk.tool_call_chunks)
    return pieces > 1 and answer_tool(AIMessage(content=whole.content, tool_calls=whole.tool_calls))


def structured():
    return bool(model().with_structured_output(Answer, method="json_schema").invoke(ASK).answer)


def embeddings():
    from langchain_openai import OpenAIEmbeddings

    # Without a check of the length no tokenizer is fetched from the network.
    done = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False).embed_documents(["a river", "a lake"])
    return [len(v) for v in done] == [1536, 1536]


def responses():
    done = model(use_responses_api=True).invoke(ASK)
    return bool(done.text) and done.usage_metadata["output_tokens"] > 0


def responses_stream():
    whole = None
    for chunk in model(use_responses_api=True).stream(ASK):
        whole = chunk if whole is None else whole + chunk
    return bool(whole.text)


def responses_tools():
    whole = None
    for chunk in model(use_responses_api=True).bind_tools([look_up], tool_choice="look_up").stream(ASK):
        whole = chunk if whole is None else whole + chunk
    return bool(whole.tool_calls[0]["args"]["answer"])


def count_tokens():
    return model().get_num_tokens_from_messages(ASK) > 0


def call(s):
    more = {"default_headers": s["headers"], "max_tokens": s["max_tokens"]}
    if s["retries"] is not None:
        more["max_retries"] = s["retries"]
    own, ask = model(s["model"], **more), [HumanMessage(s["prompt"])]
    return list(own.stream(ask)) if s["stream"] else own.invoke(ask)


def describe(e):
    response = getattr(e, "response", None)
    code = getattr(e, "code", "") if FORMAT == "openai" else response.headers.get("x-aurea-error", "") if response is not None else ""
    return getattr(e, "status_code", 0), code


control.version("langchain-core " + version("langchain-core") + ", langchain-" + FORMAT + " " + version("langchain-" + FORMAT))
if FORMAT == "openai":
    checks = {"chat": plain, "chat_stream": stream, "embeddings": embeddings, "responses": responses, "responses_stream": responses_stream, "responses_tools": responses_tools}
else:
    checks = {"messages": plain, "messages_stream": stream, "count_tokens": count_tokens}
for name, check in (checks | {"tools": tools, "tools_stream": tools_stream, "structured": structured}).items():
    control.feature(name, check)
control.errors(call, describe)
