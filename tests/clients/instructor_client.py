"""Instructor: a pydantic model out of tool calls, JSON schema and JSON modes, whole and as partial objects."""
import sys

import instructor
import openai
import pydantic

MESSAGES = [{"role": "user", "content": "Who?"}]


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    age: int = pydantic.Field(ge=0, le=99)


api = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(api, mode=mode)
    ask = {"model": "demo", "messages": MESSAGES, "temperature": 0, "max_tokens": 200, "response_model": Person}
    person = client.chat.completions.create(max_retries=0, **ask)
    assert isinstance(person, Person)
    *_, last = client.chat.completions.create_partial(**ask)
    assert 0 <= last.age <= 99  # another prompt: the tool is called PartialPerson there
    print(f"  instructor {mode}: ok {person}")
