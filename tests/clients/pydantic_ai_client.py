"""pydantic-ai: an agent's text whole and streamed, a typed output by tool and by JSON schema, a tool."""
import asyncio
import sys

import pydantic
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    age: int = pydantic.Field(ge=0, le=99)


model = OpenAIChatModel("demo", provider=OpenAIProvider(base_url=sys.argv[1] + "/v1", api_key="none"))
settings = {"temperature": 0, "max_tokens": 200}
whole = Agent(model, model_settings=settings).run_sync("Tell me a story.")


async def stream():
    async with Agent(model, model_settings=settings).run_stream("Tell me a story.") as result:
        return [text async for text in result.stream_text()][-1]


assert asyncio.run(stream()) == whole.output
for output in (Person, NativeOutput(Person)):
    assert isinstance(Agent(model, output_type=output, model_settings=settings).run_sync("Who?").output, Person)
print("  pydantic-ai text, stream, typed output by tool and by schema: ok")
