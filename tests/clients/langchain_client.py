"""LangChain: ChatOpenAI over chat and responses, tools, structured output by each method, batches, async, embeddings."""
import asyncio
import sys

import openai
import pydantic
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings

QUESTION = "Tell me a story."


class Person(pydantic.BaseModel):
    """somebody"""
    model_config = pydantic.ConfigDict(extra="forbid")
    age: int = pydantic.Field(ge=0, le=99)


@tool
def look_up(topic: str) -> str:
    """looks something up"""
    return topic


def chat(**fields):
    return ChatOpenAI(**{"model": "demo", "base_url": sys.argv[1] + "/v1", "api_key": "none", "temperature": 0,
                         "max_tokens": 12, "max_retries": 0, **fields})


model = chat()
whole = model.invoke(QUESTION)
assert whole.usage_metadata["output_tokens"] == 12 and whole.response_metadata["finish_reason"] == "length"
chunks = list(chat(stream_usage=True).stream(QUESTION))
assert "".join(chunk.content for chunk in chunks) == whole.content
total = chunks[0]
for chunk in chunks[1:]:
    total += chunk
assert isinstance(total, AIMessageChunk) and total.usage_metadata == whole.usage_metadata | {
    "input_token_details": total.usage_metadata["input_token_details"]}
assert [answer.content for answer in model.batch([QUESTION] * 4)] == [whole.content] * 4
assert asyncio.run(model.ainvoke(QUESTION)).content == whole.content
print("  langchain invoke, stream, batch, async: ok")

caller = chat(max_tokens=200).bind_tools([look_up], tool_choice="look_up")
answer = caller.invoke("Look up the moon.")
call = answer.tool_calls[0]
assert call["name"] == "look_up" and isinstance(call["args"]["topic"], str) and not answer.invalid_tool_calls
streamed = None
for chunk in caller.stream("Look up the moon."):
    streamed = chunk if streamed is None else streamed + chunk
assert streamed.tool_calls[0]["args"] == call["args"]
after = chat().bind_tools([look_up]).invoke([HumanMessage("Look up the moon."), answer,
                                             ToolMessage("big", tool_call_id=call["id"])])
assert after.usage_metadata["output_tokens"] > 0
print("  langchain tools: ok")

for method in ("json_schema", "function_calling"):
    person = chat(max_tokens=200).with_structured_output(Person, method=method).invoke("Who?")
    assert isinstance(person, Person), person
print("  langchain structured output: ok")

over_responses = chat(use_responses_api=True, output_version="responses/v1")
assert over_responses.invoke(QUESTION).text == whole.content
assert "".join(chunk.text for chunk in over_responses.stream(QUESTION)) == whole.content
print("  langchain over /v1/responses: ok")

text = OpenAI(model="demo", base_url=sys.argv[1] + "/v1", api_key="none", temperature=0, max_tokens=8)
assert "".join(text.stream("Once upon a time")) == text.invoke("Once upon a time")
vectors = OpenAIEmbeddings(model="demo", base_url=sys.argv[1] + "/v1", api_key="none",
                           check_embedding_ctx_length=False)
assert len(vectors.embed_query("moon")) == 256 and len(vectors.embed_documents(["moon", "sun"])) == 2
try:
    chat(model="other").invoke(QUESTION)
    raise AssertionError("a model that is not there was accepted")
except openai.NotFoundError:
    pass
print("  langchain completion, embeddings, errors: ok")
