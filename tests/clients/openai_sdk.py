"""The openai SDK: chat, streaming, completions, responses, tools, structured output, embeddings, models, errors."""
import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
MESSAGES = [{"role": "user", "content": "Tell me a story about a moon."}]
COMMON = {"model": "demo", "temperature": 0}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},
          "required": ["name", "age"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "looks something up", "parameters": {
    "type": "object", "properties": {"topic": {"enum": ["moon", "sun"]}}, "required": ["topic"],
    "additionalProperties": False}}}


def chat():
    whole = client.chat.completions.create(messages=MESSAGES, max_tokens=24, logprobs=True, top_logprobs=2, **COMMON)
    assert whole.usage.completion_tokens == 24 and whole.choices[0].finish_reason == "length"
    assert len(whole.choices[0].logprobs.content) == 24
    text, usage = "", None
    for chunk in client.chat.completions.create(messages=MESSAGES, max_tokens=24, stream=True,
                                                stream_options={"include_usage": True}, **COMMON):
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == whole.choices[0].message.content and usage.completion_tokens == 24


def completions():
    whole = client.completions.create(prompt=["Once", "Twice"], n=2, max_tokens=8, logprobs=1, seed=1, model="demo")
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(
        prompt="Once", max_tokens=8, seed=1, stream=True, model="demo"))
    assert text == whole.choices[0].text


def responses():
    first = client.responses.create(input="Tell me a story.", instructions="Be brief.", max_output_tokens=8, **COMMON)
    assert first.status == "incomplete" and first.usage.output_tokens == 8 and first.output_text
    second = client.responses.create(input="And then?", previous_response_id=first.id, max_output_tokens=8, **COMMON)
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    text, last = "", None
    for event in client.responses.create(input="Tell me a story.", instructions="Be brief.", max_output_tokens=8,
                                         stream=True, **COMMON):
        if event.type == "response.output_text.delta":
            text += event.delta
        last = event
    assert last.type == "response.incomplete" and text == first.output_text == last.response.output_text


def structured():
    answer = client.chat.completions.create(messages=MESSAGES, max_tokens=120, response_format={
        "type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}, **COMMON)
    if answer.choices[0].finish_reason == "stop":
        value = json.loads(answer.choices[0].message.content)
        assert set(value) == {"name", "age"}


def tools():
    answer = client.chat.completions.create(messages=MESSAGES, max_tokens=200, tools=[TOOL], tool_choice={
        "type": "function", "function": {"name": "look_up"}}, **COMMON)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "look_up" and json.loads(call.function.arguments)["topic"] in ("moon", "sun")
    again = client.chat.completions.create(messages=[*MESSAGES, answer.choices[0].message.model_dump(), {
        "role": "tool", "tool_call_id": call.id, "content": "big"}], max_tokens=8, tools=[TOOL], **COMMON)
    assert again.usage.completion_tokens > 0


def embeddings():
    plain = client.embeddings.create(input=["moon", "sun"], model="demo", encoding_format="float")
    default = client.embeddings.create(input=["moon", "sun"], model="demo")  # asks for base64
    assert len(plain.data) == 2 and abs(sum(x * x for x in plain.data[0].embedding) - 1) < 1e-4
    assert all(abs(a - b) < 1e-6 for a, b in zip(plain.data[0].embedding, default.data[0].embedding))
    short = client.embeddings.create(input="moon", model="demo", dimensions=8)
    assert len(short.data[0].embedding) == 8


def errors():
    assert client.models.list().data[0].id == "demo" and client.models.retrieve("demo").id == "demo"
    for wrong, kind in (({"model": "other"}, openai.NotFoundError), ({"temperature": -1}, openai.BadRequestError)):
        try:
            client.chat.completions.create(messages=MESSAGES, **{**COMMON, **wrong})
            raise AssertionError(f"{wrong} was accepted")
        except kind as error:
            assert error.body["message"] and error.request_id


for test in (chat, completions, responses, structured, tools, embeddings, errors):
    test()
    print(f"  openai {test.__name__}: ok")
