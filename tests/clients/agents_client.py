"""OpenAI's Agents SDK: an agent with a tool, over chat and over responses, whole and streamed."""
import asyncio
import sys

import openai
from agents import (Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool,
                    set_tracing_disabled)

set_tracing_disabled(True)
ASKED = []


@function_tool
def look_up(topic: str) -> str:
    """looks something up"""
    ASKED.append(topic)
    return "It is big."


async def run(kind):
    client = openai.AsyncOpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
    agent = Agent(name="teller", instructions="Be brief.", model=kind(model="demo", openai_client=client),
                  model_settings=ModelSettings(temperature=0, max_tokens=100, tool_choice="required"),
                  tools=[look_up], reset_tool_choice=True)
    before = len(ASKED)
    whole = await Runner.run(agent, "Look up the moon.", max_turns=4)
    assert len(ASKED) > before, "the tool was not called"
    streamed = Runner.run_streamed(agent, "Look up the moon.", max_turns=4)
    async for _ in streamed.stream_events():
        pass
    assert streamed.final_output == whole.final_output
    print(f"  openai-agents {kind.__name__}: ok", repr(whole.final_output)[:60])


for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
    asyncio.run(run(kind))
