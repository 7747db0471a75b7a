#!/usr/bin/env python3
"""The openai Python SDK against a running server.

    scripts/serve --port 8000 &
    python3 tests/clients/openai_sdk_test.py http://127.0.0.1:8000

Needs the `openai` package. Oracle: the SDK's own parsing, and answers that must agree with each other
(streamed with whole, text with ids, batches with single requests).
"""
import sys
import unittest

import openai

URL = None
QUESTION = [{"role": "user", "content": "What is the capital of Norway?"}]


def client(**options):
    return openai.OpenAI(base_url=URL + "/v1", api_key="none", **{"max_retries": 0, **options})


class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = client()
        cls.model = cls.api.models.list().data[0].id

    def chat(self, **fields):
        return self.api.chat.completions.create(**{
            "model": self.model, "messages": QUESTION, "temperature": 0, "max_tokens": 24, **fields})

    def complete(self, prompt="Once upon a time", **fields):
        return self.api.completions.create(**{
            "model": self.model, "prompt": prompt, "temperature": 0, "max_tokens": 12, **fields})

    def test_models(self):
        self.assertEqual(self.api.models.retrieve(self.model).id, self.model)
        with self.assertRaises(openai.NotFoundError) as caught:
            self.api.models.retrieve("no/such")
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_chat_streamed_is_chat_whole(self):
        whole = self.chat()
        self.assertTrue(whole.choices[0].message.content)
        self.assertEqual(whole.usage.total_tokens,
                         whole.usage.prompt_tokens + whole.usage.completion_tokens)
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
        self.assertEqual(reasons, [whole.choices[0].finish_reason])
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)

    def test_chat_logprobs(self):
        choice = self.chat(logprobs=True, top_logprobs=3, max_tokens=5).choices[0]
        self.assertGreater(len(choice.logprobs.content), 0)
        for token in choice.logprobs.content:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(token.top_logprobs[0].logprob, token.logprob)  # greedy
            self.assertEqual(bytes(token.bytes).decode(errors="replace"), token.token)

    def test_completions_of_text_ids_and_batches(self):
        one = self.complete(extra_body={"return_token_ids": True}).choices[0]
        ids = one.model_extra["prompt_token_ids"]
        self.assertEqual(self.complete(prompt=ids).choices[0].text, one.text)
        batch = self.complete(prompt=["Once upon a time", "The moon"])
        self.assertEqual([c.index for c in batch.choices], [0, 1])
        self.assertEqual(batch.choices[0].text, one.text)
        self.assertEqual(self.complete(prompt=[ids, ids]).choices[1].text, one.text)
        streamed = list(self.complete(stream=True))
        self.assertEqual("".join(c.choices[0].text for c in streamed if c.choices), one.text)

    def test_completion_logprobs_and_echo(self):
        choice = self.complete(logprobs=2, echo=True, max_tokens=3).choices[0]
        self.assertTrue(choice.text.startswith("Once upon a time"))
        logprobs = choice.logprobs
        self.assertIsNone(logprobs.token_logprobs[0])
        self.assertEqual(len(logprobs.tokens), len(logprobs.text_offset))
        for offset, token in zip(logprobs.text_offset, logprobs.tokens):
            self.assertEqual(choice.text[offset:offset + len(token)], token)

    def test_choices_and_seeds(self):
        fields = {"temperature": 1.0, "seed": 5, "max_tokens": 16}
        one = self.complete(**fields).choices[0].text
        four = [c.text for c in self.complete(n=4, **fields).choices]
        self.assertEqual(four[0], one)
        self.assertGreater(len(set(four)), 1)

    def test_stop(self):
        text = self.complete(max_tokens=30).choices[0].text
        word = text.split()[4]
        stopped = self.complete(max_tokens=30, stop=[word]).choices[0]
        self.assertEqual(stopped.finish_reason, "stop")
        self.assertEqual(stopped.text, text[:text.index(word)])

    def test_errors(self):
        with self.assertRaises(openai.NotFoundError):
            self.chat(model="gpt-4")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(temperature=-1)
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.complete(max_tokens=10_000_000)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(extra_body={"temprature": 1})
        self.assertIn("temperature", str(caught.exception))
        self.assertTrue(caught.exception.request_id)

    def test_leaving_a_stream(self):
        with self.complete(stream=True, max_tokens=500, extra_body={"ignore_eos": True}) as stream:
            next(iter(stream))
        self.assertTrue(self.complete().choices[0].text)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    URL = sys.argv.pop(1).rstrip("/")
    unittest.main(verbosity=2)
