"""LiteLLM through its openai, hosted_vllm and anthropic providers: whole, streamed, tools, schemas, embeddings, errors."""
import asyncio
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks GitHub at import
import litellm  # noqa: E402  pylint: disable=wrong-import-position

MESSAGES = [{"role": "user", "content": "Tell me a story."}]
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99}},
          "required": ["age"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"topic": {"enum": ["moon", "sun"]}}, "required": ["topic"],
    "additionalProperties": False}}}


def options(provider):
    base = sys.argv[1] + ("" if provider == "anthropic" else "/v1")
    return {"model": f"{provider}/demo", "api_base": base, "api_key": "none", "max_tokens": 12, "num_retries": 0,
            "messages": MESSAGES}


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


for provider in ("openai", "hosted_vllm", "anthropic"):
    common = {**options(provider), "temperature": 0}
    whole = litellm.completion(**common)
    assert whole.usage.completion_tokens == 12 and whole.choices[0].finish_reason == "length"
    chunks = list(litellm.completion(stream=True, stream_options={"include_usage": True}, **common))
    assert text_of(chunks) == whole.choices[0].message.content
    assert [c.usage.completion_tokens for c in chunks if getattr(c, "usage", None)] == [12]
    answer = litellm.completion(tools=[TOOL], tool_choice="required", **{**common, "max_tokens": 200})
    call = answer.choices[0].message.tool_calls[0]
    if provider == "openai":  # the others send the schema without additionalProperties: the model goes on and on
        assert answer.choices[0].finish_reason == "tool_calls"
        assert json.loads(call.function.arguments)["topic"] in ("moon", "sun")
    assert call.function.name == "look_up"
    built = litellm.stream_chunk_builder(list(litellm.completion(
        tools=[TOOL], tool_choice="required", stream=True, **{**common, "max_tokens": 200})))
    built = built.choices[0].message.tool_calls[0].function
    assert built.name == "look_up"
    # What a length limit has cut is streamed as it is and left out of a whole message of Anthropic's.
    assert built.arguments == call.function.arguments or (provider, call.function.arguments) == ("anthropic", "{}")
    try:
        litellm.completion(**{**common, "model": f"{provider}/other"})
        raise AssertionError("a model that is not there was accepted")
    except litellm.NotFoundError:
        pass
    print(f"  litellm {provider}: ok", flush=True)

common = {**options("hosted_vllm"), "temperature": 0}
answer = litellm.completion(response_format={"type": "json_schema", "json_schema": {
    "name": "x", "schema": SCHEMA, "strict": True}}, **{**common, "max_tokens": 60})
assert 0 <= json.loads(answer.choices[0].message.content)["age"] <= 99
try:
    litellm.completion(**{**common, "max_tokens": 10_000_000})
    raise AssertionError("a request beyond the context was accepted")
except litellm.ContextWindowExceededError:
    pass


async def everyone():
    return await asyncio.gather(*(litellm.acompletion(**common) for _ in range(16)))


texts = {answer.choices[0].message.content for answer in asyncio.run(everyone())}
assert len(texts) == 1
vectors = litellm.embedding(model="openai/demo", input=["moon"], api_base=sys.argv[1] + "/v1", api_key="none")
assert len(vectors.data[0]["embedding"]) == 256
text = litellm.text_completion(model="text-completion-openai/demo", prompt="Once", max_tokens=4, api_key="none",
                               api_base=sys.argv[1] + "/v1")
assert text.usage.completion_tokens == 4
print("  litellm schema, context error, 16 at once, embedding, text completion: ok")
