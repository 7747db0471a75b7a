"""The anthropic SDK: messages whole, streamed, through the stream helper and asynchronously; tools, counts, errors.

Oracle: the SDK's own parsing and accumulation, and answers that must agree with each other.
"""
import asyncio
import json
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="none", max_retries=0)
MESSAGES = [{"role": "user", "content": "Tell me a story about a moon."}]
COMMON = {"model": "demo", "messages": MESSAGES, "extra_body": {"temperature": 0}}
TOOL = {"name": "look_up", "description": "looks something up", "input_schema": {
    "type": "object", "properties": {"topic": {"enum": ["moon", "sun"]}}, "required": ["topic"],
    "additionalProperties": False}}


def create(**fields):
    return client.messages.create(**{"max_tokens": 24, **COMMON, **fields})


def messages():
    whole = create(system="Be brief.")
    assert whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 24 and whole.role == "assistant"
    with client.messages.stream(max_tokens=24, system="Be brief.", **COMMON) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text and final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == 24
    blocks = create(system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}], messages=[
        {"role": "user", "content": [{"type": "text", "text": MESSAGES[0]["content"]}]}])
    assert blocks.content[0].text == whole.content[0].text
    assert blocks.usage.cache_read_input_tokens + blocks.usage.input_tokens == (
        whole.usage.cache_read_input_tokens + whole.usage.input_tokens)


def raw_events():
    kinds = [event.type for event in create(stream=True, max_tokens=8) if event.type != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"], kinds
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds
    assert set(kinds[2:-3]) == {"content_block_delta"}, kinds
    raw = client.messages.with_raw_response.create(max_tokens=1, extra_headers={"X-Request-Id": "mine-2"}, **COMMON)
    assert raw.headers["x-request-id"] == "mine-2"


def stop_sequences():
    text = create(max_tokens=40).content[0].text
    word = text.split()[6]
    stopped = create(max_tokens=40, stop_sequences=[word])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == word
    assert stopped.content[0].text.strip() == text[:text.index(word)].strip()


def tools():
    for choice in ({"type": "any"}, {"type": "tool", "name": "look_up"}):
        ask = {"max_tokens": 200, "tools": [TOOL], "tool_choice": choice}
        answer = create(**ask)
        use = next(block for block in answer.content if block.type == "tool_use")
        assert answer.stop_reason == "tool_use" and use.name == "look_up" and use.input["topic"] in ("moon", "sun")
        with client.messages.stream(**ask, **COMMON) as stream:
            events = list(stream)
            final = stream.get_final_message()
        assert [b.input for b in final.content if b.type == "tool_use"] == [use.input]
        pieces = [e for e in events if e.type == "input_json"]  # the helper's own accumulation
        assert pieces and pieces[-1].snapshot == use.input
        assert json.loads("".join(e.partial_json for e in pieces)) == use.input
    follow = [*MESSAGES, {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "big"},
                                           {"type": "text", "text": "Go on."}]}]
    assert create(max_tokens=8, tools=[TOOL], messages=follow).usage.output_tokens > 0
    free = create(max_tokens=40, tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert (free.stop_reason == "tool_use") == any(b.type == "tool_use" for b in free.content)
    assert all(b.type == "text" for b in create(tools=[TOOL], tool_choice={"type": "none"}).content)


def thinking():
    answer = create(max_tokens=60, thinking={"type": "enabled", "budget_tokens": 1024})
    assert {block.type for block in answer.content} <= {"thinking", "text"}


def count():
    counted = client.messages.count_tokens(model="demo", messages=MESSAGES).input_tokens
    answer = create(max_tokens=1)
    assert counted == answer.usage.input_tokens + answer.usage.cache_read_input_tokens
    more = client.messages.count_tokens(model="demo", messages=MESSAGES, system="Be brief.", tools=[TOOL]).input_tokens
    assert more > counted


def errors():
    for wrong, kind, word in (({"model": "other"}, anthropic.NotFoundError, "not_found_error"),
                              ({"extra_body": {"temperature": -1}}, anthropic.BadRequestError, "invalid_request_error"),
                              ({"max_tokens": 10_000_000, "timeout": 60}, anthropic.BadRequestError,
                               "invalid_request_error"),
                              ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
                              ({"stream": True, "extra_body": {"top_p": 7}}, anthropic.BadRequestError, "invalid_request_error")):
        try:
            create(**wrong)
        except kind as error:
            assert error.body["type"] == "error" and error.body["error"]["type"] == word, error.body
            assert error.body["error"]["message"]
        else:
            raise AssertionError(f"{wrong} was accepted")
    assert client.models.list().data[0].id == "demo"


def many_at_once():
    async def one(api, index):
        async with api.messages.stream(model="demo", max_tokens=16, extra_body={"temperature": 0}, messages=[
                {"role": "user", "content": f"Tell me about {index % 4} moons."}]) as stream:
            return (await stream.get_final_message()).content[0].text

    async def everyone():
        async with anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="none", max_retries=0) as api:
            return await asyncio.gather(*(one(api, index) for index in range(64)))

    texts = asyncio.run(everyone())
    assert texts == [texts[index % 4] for index in range(64)]


for test in (messages, raw_events, stop_sequences, tools, thinking, count, errors, many_at_once):
    test()
    print(f"  anthropic {test.__name__}: ok", flush=True)
