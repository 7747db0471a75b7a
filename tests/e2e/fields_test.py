"""Request fields of vLLM, llama.cpp and OpenAI that change the form of an answer, against the demo model.

The right answers come from the same server asked in another way: by the fields that are tested elsewhere, by a stream
whose parts must add up to the whole answer, or with the prompt that a field stands for.
"""
import json
import math
import sys
import unittest

from harness import Server

BINARY = None
CHAT, COMPLETION, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
QUESTION = [{"role": "user", "content": "What is the weather in Lisbon?"}]
FUNCTIONS = [{"name": "get_weather", "description": "The weather of a city.",
              "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
                             "required": ["city"]}}]


def events_of(server, path, body):
    status, _, data = server.request("POST", path, {**body, "stream": True})
    assert status == 200, data
    return [json.loads(line[6:]) for line in data.decode().splitlines()
            if line.startswith("data: ") and line != "data: [DONE]"]


class FieldsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY, "--trust-request-chat-template")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def refused(self, path, body):
        status, _, data = self.server.request("POST", path, body)
        self.assertEqual(status, 400, data)
        return json.loads(data)["error"]

    def test_native_completion_is_the_same_completion(self):
        ask = {"prompt": "Once upon a time", "temperature": 1, "seed": 5}
        openai = self.server.post(COMPLETION, {**ask, "max_tokens": 12, "logprobs": 3, "return_token_ids": True})
        choice = openai["choices"][0]
        body = {**ask, "n_predict": 12, "n_probs": 3, "return_tokens": True}
        native = self.server.post("/completion", body)
        self.assertEqual(native["content"], choice["text"])
        self.assertEqual(native["tokens"], choice["token_ids"])
        self.assertEqual(native["tokens_evaluated"], openai["usage"]["prompt_tokens"])
        told = native["completion_probabilities"]
        self.assertEqual([one["id"] for one in told], choice["token_ids"])
        self.assertEqual([one["logprob"] for one in told], choice["logprobs"]["token_logprobs"])
        for one in told:
            self.assertEqual(len(one["top_logprobs"]), 3)
        pieces = events_of(self.server, "/completion", body)
        self.assertEqual("".join(piece["content"] for piece in pieces), native["content"])
        self.assertEqual([one for piece in pieces for one in piece.get("completion_probabilities", [])], told)
        self.assertEqual([piece["stop"] for piece in pieces], [False] * (len(pieces) - 1) + [True])

    def test_probabilities_of_the_draw(self):
        ask = {"prompt": "Once upon a time", "n_predict": 8, "n_probs": 10, "seed": 5, "top_p": 1, "min_p": 0}
        raw = self.server.post("/completion", {**ask, "temperature": 0.7, "top_k": 4})
        drawn = self.server.post("/completion", {**ask, "temperature": 0.7, "top_k": 4, "post_sampling_probs": True})
        self.assertEqual(drawn["content"], raw["content"], "telling changes nothing")
        for before, after in zip(raw["completion_probabilities"], drawn["completion_probabilities"]):
            weights = [math.exp(one["logprob"] / 0.7) for one in before["top_logprobs"][:4]]
            for one, weight in zip(after["top_probs"], weights):
                self.assertAlmostEqual(one["prob"], weight / sum(weights), delta=1e-4)
            self.assertLessEqual(len(after["top_probs"]), 4)
        greedy = self.server.post("/completion", {**ask, "temperature": 0, "post_sampling_probs": True})
        self.assertEqual([one["prob"] for one in greedy["completion_probabilities"]], [1] * 8)

    def test_functions_are_answered_in_the_old_shape(self):
        body = {"messages": QUESTION, "functions": FUNCTIONS, "function_call": {"name": "get_weather"},
                "temperature": 0, "max_tokens": 200}
        choice = self.server.post(CHAT, body)["choices"][0]
        self.assertEqual(choice["finish_reason"], "function_call", choice)
        call = choice["message"]["function_call"]
        self.assertEqual(call["name"], "get_weather")
        self.assertIsInstance(json.loads(call["arguments"])["city"], str)
        self.assertNotIn("tool_calls", choice["message"])
        deltas = [event["choices"][0]["delta"].get("function_call", {}) for event in events_of(self.server, CHAT, body)]
        self.assertEqual("".join(delta.get("name", "") for delta in deltas), "get_weather")
        self.assertEqual("".join(delta.get("arguments", "") for delta in deltas), call["arguments"])
        history = QUESTION + [{"role": "assistant", "content": None, "function_call": call},
                              {"role": "function", "name": "get_weather", "content": "sunny"}]
        again = self.server.post(CHAT, {**body, "messages": history, "function_call": "none", "max_tokens": 8})
        self.assertIsInstance(again["choices"][0]["message"]["content"], str)

    def test_a_template_of_the_request(self):
        template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
        text = self.server.post("/apply-template", {"messages": QUESTION, "chat_template": template})["prompt"]
        self.assertEqual(text, "<user>What is the weather in Lisbon?")
        same = {"temperature": 0, "max_tokens": 8, "return_token_ids": True}
        chat = self.server.post(CHAT, {"messages": QUESTION, "chat_template": template, **same})
        plain = self.server.post(COMPLETION, {"prompt": text, "add_special_tokens": False, **same})
        self.assertEqual(chat["prompt_token_ids"], plain["choices"][0]["prompt_token_ids"])
        self.assertEqual(chat["choices"][0]["token_ids"], plain["choices"][0]["token_ids"])
        endless = "{% for a in range(90000) %}" * 3 + "x" + "{% endfor %}" * 3
        for broken in ("{% if %}", "{{ messages[0].content", "{{ 1 / 0 }}", endless, "{" * 200_000, ""):
            error = self.refused(CHAT, {"messages": QUESTION, "chat_template": broken})
            self.assertEqual(error["param"], "chat_template", error)
            self.assertLess(len(error["message"]), 2000)

    def test_echo_and_prompt_text(self):
        messages = QUESTION + [{"role": "assistant", "content": "It is"}]
        body = {"messages": messages, "continue_final_message": True, "temperature": 0, "max_tokens": 8,
                "return_prompt_text": True}
        plain = self.server.post(CHAT, body)
        echoed = self.server.post(CHAT, {**body, "echo": True})
        self.assertEqual(echoed["choices"][0]["message"]["content"],
                         "It is" + plain["choices"][0]["message"]["content"])
        self.assertTrue(plain["prompt_text"].endswith("It is"))
        counted = self.server.post("/tokenize", {"prompt": plain["prompt_text"], "add_special_tokens": False,
                                                 "return_token_offsets": True})
        self.assertEqual(counted["count"], plain["usage"]["prompt_tokens"])
        offsets = counted["token_offsets"]
        self.assertEqual([a for a, _ in offsets[1:]], [b for _, b in offsets[:-1]], "ASCII text has no gaps")
        self.assertEqual((offsets[0][0], offsets[-1][1]), (0, len(plain["prompt_text"])))

    def test_tokens_without_text(self):
        body = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 8}
        bare = self.server.post(COMPLETION, {**body, "detokenize": False})["choices"][0]
        self.assertEqual(bare["text"], "")
        whole = self.server.post(COMPLETION, {**body, "return_token_ids": True})["choices"][0]
        self.assertEqual(bare["token_ids"], whole["token_ids"])

    def test_responses_tell_logprobs_and_truncate(self):
        body = {"input": "What is the weather in Lisbon?", "temperature": 0, "max_output_tokens": 60}
        whole = self.server.post(RESPONSES, {**body, "top_logprobs": 2})
        parts = [part for item in whole["output"] if item["type"] == "message" for part in item["content"]]
        told = [one for part in parts for one in part["logprobs"]]
        self.assertEqual("".join(one["token"] for one in told), "".join(part["text"] for part in parts))
        streamed = [one for event in events_of(self.server, RESPONSES, {**body, "top_logprobs": 2})
                    if event["type"] == "response.output_text.delta" for one in event["logprobs"]]
        self.assertEqual(streamed, told)
        self.assertEqual(self.refused(RESPONSES, {**body, "reasoning": {"effort": 3}})["param"], "reasoning.effort")

        turns = [{"role": role, "content": f"{i} " + "word " * 200}
                 for i in range(60) for role in ("user", "assistant")]
        long = {"input": turns + QUESTION, "max_output_tokens": 4, "temperature": 0}
        self.assertEqual(self.refused(RESPONSES, long)["code"], "context_length_exceeded")
        cut = self.server.post(RESPONSES, {**long, "truncation": "auto"})
        self.assertRegex(cut["warnings"][0], r"^truncation: the oldest \d+ messages were left out$")
        dropped = int(cut["warnings"][0].split()[3])
        same = self.server.post(RESPONSES, {**long, "input": long["input"][dropped:]})
        self.assertEqual(cut["usage"]["input_tokens"], same["usage"]["input_tokens"])
        self.refused(RESPONSES, {**long, "input": long["input"][dropped - 2:]})  # as few as possible


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
