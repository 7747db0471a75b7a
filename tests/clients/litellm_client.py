"""LiteLLM: chat and text completion through its openai and hosted_vllm providers, whole and streamed."""
import sys

import litellm

MESSAGES = [{"role": "user", "content": "Tell me a story."}]

for provider in ("openai", "hosted_vllm"):
    common = {"model": f"{provider}/demo", "api_base": sys.argv[1] + "/v1", "api_key": "none", "temperature": 0,
              "max_tokens": 12, "messages": MESSAGES}
    whole = litellm.completion(**common)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(stream=True, **common)
                       if chunk.choices)
    assert streamed == whole.choices[0].message.content and whole.usage.completion_tokens == 12
    print(f"  litellm {provider}: ok")
