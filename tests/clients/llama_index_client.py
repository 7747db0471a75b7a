"""LlamaIndex's OpenAILike: complete, chat, stream, tools, structured output, async."""
import asyncio
import sys

import pydantic
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


class Person(pydantic.BaseModel):
    """somebody"""
    model_config = pydantic.ConfigDict(extra="forbid")
    age: int = pydantic.Field(ge=0, le=99)


def look_up(topic: str) -> str:
    """looks something up"""
    return topic


def model(**fields):
    return OpenAILike(**{"model": "demo", "api_base": sys.argv[1] + "/v1", "api_key": "none", "max_tokens": 12,
                         "temperature": 0, "is_chat_model": True, "is_function_calling_model": True,
                         "context_window": 4096, "max_retries": 0, **fields})


ASK = [ChatMessage(role="user", content="Tell me a story.")]
whole = model().chat(ASK).message.content
assert whole and "".join(piece.delta or "" for piece in model().stream_chat(ASK)) == whole
assert asyncio.run(model().achat(ASK)).message.content == whole
plain = model(is_chat_model=False)
assert "".join(piece.delta or "" for piece in plain.stream_complete("Once")) == plain.complete("Once").text
print("  llama-index chat, complete, stream, async: ok")
answer = model(max_tokens=200).chat_with_tools([FunctionTool.from_defaults(look_up)], "Look up the moon.",
                                               tool_required=True)
call = model().get_tool_calls_from_response(answer)[0]
assert call.tool_name == "look_up" and isinstance(call.tool_kwargs["topic"], str)
person = model(max_tokens=200).as_structured_llm(Person).chat(ASK).raw
assert isinstance(person, Person)
print("  llama-index tools, structured output: ok")
