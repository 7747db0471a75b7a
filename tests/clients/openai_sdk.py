"""The openai SDK: every resource that the server has, whole, streamed, through its helpers and asynchronously.

Oracle: the SDK's own parsing and its stream helpers' state machines, and answers that must agree with each other
(streamed with whole, text with ids, batches with single requests).
"""
import asyncio
import json
import sys

import openai
import pydantic

URL = sys.argv[1] + "/v1"
client = openai.OpenAI(base_url=URL, api_key="none", max_retries=0)
MESSAGES = [{"role": "user", "content": "Tell me a story about a moon."}]
COMMON = {"model": "demo", "temperature": 0}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "looks something up", "strict": True,
                                         "parameters": {"type": "object",
                                                        "properties": {"topic": {"enum": ["moon", "sun"]}},
                                                        "required": ["topic"], "additionalProperties": False}}}
NAMED = {"type": "function", "function": {"name": "look_up"}}


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = pydantic.Field(max_length=8)
    age: int = pydantic.Field(ge=0, le=99)


def chat(**fields):
    return client.chat.completions.create(**{"messages": MESSAGES, "max_tokens": 24, **COMMON, **fields})


def complete(prompt="Once upon a time", **fields):
    return client.completions.create(**{"prompt": prompt, "max_tokens": 12, **COMMON, **fields})


def fails_with(kind, call):
    try:
        call()
    except kind as error:
        assert error.request_id and error.body["message"], error
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def models():
    assert client.models.list().data[0].id == "demo" and client.models.retrieve("demo").id == "demo"
    assert fails_with(openai.NotFoundError, lambda: client.models.retrieve("no/such")).code == "model_not_found"


def chat_whole_and_streamed():
    whole = chat(logprobs=True, top_logprobs=2)
    assert whole.usage.completion_tokens == 24 and whole.choices[0].finish_reason == "length"
    for token in whole.choices[0].logprobs.content:
        assert len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob <= 0
        assert bytes(token.bytes).decode(errors="replace") == token.token
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["length"]
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert all(c.usage is None for c in chunks[:-1])
    assert all(c.usage is None and c.choices for c in chat(stream=True))  # usage only when it is asked for


def chat_stream_helper():
    ask = {"max_tokens": 200, "stop": ["."]}  # the helper raises on finish_reason "length"
    whole = chat(**ask)
    with client.chat.completions.stream(messages=MESSAGES, **ask, **COMMON) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert "".join(e.delta for e in events if e.type == "content.delta") == whole.choices[0].message.content
    assert [e.type for e in events].count("content.done") == 1


def raw_answers():
    raw = client.chat.completions.with_raw_response.create(
        messages=MESSAGES, max_tokens=2, extra_headers={"X-Request-Id": "mine-1"}, **COMMON)
    assert raw.headers["x-request-id"] == "mine-1" and float(raw.headers["openai-processing-ms"]) >= 0
    assert raw.parse().choices[0].message.role == "assistant"


def completions():
    one = complete(extra_body={"return_token_ids": True}).choices[0]
    ids = one.model_extra["prompt_token_ids"]
    assert complete(prompt=ids).choices[0].text == one.text
    batch = complete(prompt=["Once upon a time", "The moon"])
    assert [c.index for c in batch.choices] == [0, 1] and batch.choices[0].text == one.text
    assert complete(prompt=[ids, ids]).choices[1].text == one.text
    assert "".join(c.choices[0].text for c in complete(stream=True) if c.choices) == one.text
    both = complete(prompt=["Once", "Twice"], n=2, seed=1, temperature=1)
    assert [c.index for c in both.choices] == [0, 1, 2, 3]
    assert complete(prompt="Once", seed=1, temperature=1).choices[0].text == both.choices[0].text
    assert len({c.text for c in complete(n=4, seed=5, temperature=1).choices}) > 1
    choice = complete(logprobs=2, echo=True, max_tokens=3).choices[0]
    assert choice.text.startswith("Once upon a time") and choice.logprobs.token_logprobs[0] is None
    for offset, token in zip(choice.logprobs.text_offset, choice.logprobs.tokens):
        assert choice.text[offset:offset + len(token)] == token
    text = complete(max_tokens=30).choices[0].text
    word = text.split()[4]
    stopped = complete(max_tokens=30, stop=[word]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.text == text[:text.index(word)]


def responses():
    ask = {"instructions": "Be brief.", "max_output_tokens": 8, **COMMON}
    first = client.responses.create(input="Tell me a story.", **ask)
    assert first.status == "incomplete" and first.incomplete_details.reason == "max_output_tokens"
    assert first.usage.output_tokens == 8 and first.output_text
    second = client.responses.create(input="And then?", previous_response_id=first.id, **ask)
    assert second.previous_response_id == first.id
    # The same conversation spelled out is the same prompt; instructions are not carried over.
    spelled = client.responses.create(input=[
        {"role": "user", "content": "Tell me a story."}, first.output[0].model_dump(),
        {"role": "user", "content": [{"type": "input_text", "text": "And then?"}]}], **ask)
    assert spelled.output_text == second.output_text and spelled.usage.input_tokens == second.usage.input_tokens
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    fails_with(openai.NotFoundError, lambda: client.responses.retrieve(first.id))
    fails_with(openai.APIStatusError, lambda: client.responses.create(
        input="And then?", previous_response_id=first.id, **ask))
    unstored = client.responses.create(input="Tell me a story.", store=False, **ask)
    fails_with(openai.NotFoundError, lambda: client.responses.retrieve(unstored.id))


def responses_streamed():
    ask = {"input": "Tell me a story.", "instructions": "Be brief.", "max_output_tokens": 8, **COMMON}
    whole = client.responses.create(**ask)
    events = list(client.responses.create(stream=True, **ask))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    kinds = [e.type.removeprefix("response.") for e in events if not e.type.endswith(".delta")]
    assert kinds == ["created", "in_progress", "output_item.added", "content_part.added", "output_text.done",
                     "content_part.done", "output_item.done", "incomplete"], kinds
    with client.responses.stream(**ask) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        try:
            final = stream.get_final_response()
        except RuntimeError:  # the helper knows only response.completed
            final = whole
    assert text == whole.output_text == final.output_text == events[-1].response.output_text


def responses_tools():
    tool = {"type": "function", **TOOL["function"]}
    ask = {"tools": [tool], "tool_choice": "required", "max_output_tokens": 200, **COMMON}
    first = client.responses.create(input="Tell me about the moon.", **ask)
    call = next(item for item in first.output if item.type == "function_call")
    assert call.name == "look_up" and json.loads(call.arguments)["topic"] in ("moon", "sun")
    with client.responses.stream(input="Tell me about the moon.", **ask) as stream:
        events = list(stream)
        final = stream.get_final_response()
    pieces = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert pieces == call.arguments == next(i for i in final.output if i.type == "function_call").arguments
    follow = client.responses.create(previous_response_id=first.id, tools=[tool], max_output_tokens=8, input=[
        {"type": "function_call_output", "call_id": call.call_id, "output": "It is big."}], **COMMON)
    assert follow.usage.output_tokens > 0


def structured():
    ask = {"messages": MESSAGES, "max_tokens": 120, **COMMON}
    person = client.chat.completions.parse(response_format=Person, **ask).choices[0].message.parsed
    with client.chat.completions.stream(response_format=Person, **ask) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == person
    parsed = client.responses.parse(input="Who?", text_format=Person, max_output_tokens=120, **COMMON)
    assert isinstance(parsed.output_parsed, Person)
    anything = chat(response_format={"type": "json_object"}, max_tokens=200)
    assert anything.choices[0].finish_reason == "length" or json.loads(anything.choices[0].message.content) is not None
    error = fails_with(openai.BadRequestError, lambda: chat(response_format={"type": "json_schema", "json_schema": {
        "name": "x", "schema": {"type": "object", "properties": {"a": {"type": "strange"}}}}}))
    assert "properties/a/type" in error.message and error.param == "response_format.json_schema.schema"


def tools():
    ask = {"tools": [TOOL], "max_tokens": 200}
    for choice in (NAMED, "required"):
        answer = chat(tool_choice=choice, **ask)
        call = answer.choices[0].message.tool_calls[0]
        assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.content is None
        assert call.id and call.function.name == "look_up"
        assert json.loads(call.function.arguments)["topic"] in ("moon", "sun")
        with client.chat.completions.stream(messages=MESSAGES, tool_choice=choice, **ask, **COMMON) as stream:
            events = list(stream)
            final = stream.get_final_completion()
        streamed = final.choices[0].message.tool_calls[0]
        assert streamed.function.arguments == call.function.arguments
        assert streamed.function.parsed_arguments["topic"] in ("moon", "sun")
        assert [e.type for e in events].count("tool_calls.function.arguments.done") == len(
            final.choices[0].message.tool_calls)
    again = chat(messages=[*MESSAGES, answer.choices[0].message.model_dump(), {
        "role": "tool", "tool_call_id": call.id, "content": "big"}], tools=[TOOL], max_tokens=8)
    assert again.usage.completion_tokens > 0
    free = chat(tool_choice="auto", **ask).choices[0]  # the model decides; text and calls exclude each other's reason
    assert (free.finish_reason == "tool_calls") == bool(free.message.tool_calls)
    assert not chat(tool_choice="none", **ask).choices[0].message.tool_calls


def embeddings():
    plain = client.embeddings.create(input=["moon", "sun"], model="demo", encoding_format="float")
    default = client.embeddings.create(input=["moon", "sun"], model="demo")  # asks for base64
    assert len(plain.data) == 2 and abs(sum(x * x for x in plain.data[0].embedding) - 1) < 1e-4
    for a, b in zip(plain.data, default.data):
        assert a.index == b.index and all(abs(x - y) < 1e-6 for x, y in zip(a.embedding, b.embedding))
    short = client.embeddings.create(input="moon", model="demo", dimensions=8)
    assert len(short.data[0].embedding) == 8 and abs(sum(x * x for x in short.data[0].embedding) - 1) < 1e-4
    fails_with(openai.BadRequestError, lambda: client.embeddings.create(input=[], model="demo"))


def errors():
    assert fails_with(openai.NotFoundError, lambda: chat(model="gpt-4")).code == "model_not_found"
    assert fails_with(openai.BadRequestError, lambda: chat(temperature=-1)).param == "temperature"
    too_long = fails_with(openai.BadRequestError, lambda: complete(max_tokens=10_000_000))
    assert too_long.code == "context_length_exceeded"
    assert "temperature" in fails_with(openai.BadRequestError, lambda: chat(extra_body={"temprature": 1})).message
    fails_with(openai.BadRequestError, lambda: chat(messages=[]))
    fails_with(openai.BadRequestError, lambda: chat(stream=True, n=1000))
    fails_with(openai.BadRequestError, lambda: chat(extra_body={"stream_options": {"include_usage": "yes"}},
                                                    stream=True))


def leaving_a_stream():
    with complete(stream=True, max_tokens=2000, extra_body={"ignore_eos": True}) as stream:
        next(iter(stream))
    assert complete().choices[0].text


def many_at_once():
    async def one(api, index):
        text, stream = "", await api.completions.create(prompt=f"The {index % 8} moons", max_tokens=16, stream=True,
                                                        **COMMON)
        async for chunk in stream:
            text += chunk.choices[0].text
        return text

    async def everyone():
        async with openai.AsyncOpenAI(base_url=URL, api_key="none", max_retries=0) as api:
            return await asyncio.gather(*(one(api, index) for index in range(64)))

    alone = [complete(prompt=f"The {index} moons", max_tokens=16).choices[0].text for index in range(8)]
    assert asyncio.run(everyone()) == [alone[index % 8] for index in range(64)]


for test in (models, chat_whole_and_streamed, chat_stream_helper, raw_answers, completions, responses,
             responses_streamed, responses_tools, structured, tools, embeddings, errors, leaving_a_stream,
             many_at_once):
    test()
    print(f"  openai {test.__name__}: ok", flush=True)
