"""The anthropic SDK: messages, streaming, tools, count_tokens, errors."""
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="none", max_retries=0)
MESSAGES = [{"role": "user", "content": "Tell me a story about a moon."}]
COMMON = {"model": "demo", "messages": MESSAGES, "temperature": 0}
TOOL = {"name": "look_up", "description": "looks something up", "input_schema": {
    "type": "object", "properties": {"topic": {"enum": ["moon", "sun"]}}, "required": ["topic"],
    "additionalProperties": False}}


def messages():
    whole = client.messages.create(max_tokens=24, system="Be brief.", **COMMON)
    assert whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 24
    with client.messages.stream(max_tokens=24, system="Be brief.", **COMMON) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text and final.stop_reason == "max_tokens"
    assert final.usage.output_tokens == 24


def tools():
    answer = client.messages.create(max_tokens=200, tools=[TOOL], tool_choice={"type": "any"}, **COMMON)
    use = next(block for block in answer.content if block.type == "tool_use")
    assert answer.stop_reason == "tool_use" and use.name == "look_up" and use.input["topic"] in ("moon", "sun")
    with client.messages.stream(max_tokens=200, tools=[TOOL], tool_choice={"type": "any"}, **COMMON) as stream:
        final = stream.get_final_message()
    assert [b.input for b in final.content if b.type == "tool_use"] == [use.input]
    follow = [*MESSAGES, {"role": "assistant", "content": [block.model_dump() for block in answer.content]},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "big"}]}]
    assert client.messages.create(max_tokens=8, tools=[TOOL], **{**COMMON, "messages": follow}).usage.output_tokens > 0


def count():
    counted = client.messages.count_tokens(model="demo", messages=MESSAGES).input_tokens
    answer = client.messages.create(max_tokens=1, **COMMON)
    assert counted == answer.usage.input_tokens + answer.usage.cache_read_input_tokens


def errors():
    for wrong, kind in (({"model": "other"}, anthropic.NotFoundError),
                        ({"temperature": -1}, anthropic.BadRequestError)):
        try:
            client.messages.create(max_tokens=4, **{**COMMON, **wrong})
            raise AssertionError(f"{wrong} was accepted")
        except kind as error:
            assert error.body["error"]["message"]


for test in (messages, tools, count, errors):
    test()
    print(f"  anthropic {test.__name__}: ok")
