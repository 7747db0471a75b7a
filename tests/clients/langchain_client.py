"""LangChain's ChatOpenAI: invoke, stream, a batch, structured output by JSON schema."""
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="demo", base_url=sys.argv[1] + "/v1", api_key="none", temperature=0, max_tokens=12,
                   max_retries=0)
whole = model.invoke("Tell me a story.")
assert whole.usage_metadata["output_tokens"] == 12
assert "".join(chunk.content for chunk in model.stream("Tell me a story.")) == whole.content
assert [answer.content for answer in model.batch(["Tell me a story."] * 4)] == [whole.content] * 4
print("  langchain invoke, stream, batch: ok")
