#!/usr/bin/env python3
"""Structured output, tool calls and reasoning of the built server with the demo model.

Oracles: a checker of JSON Schema written here for the few keywords used; the same request streamed, in a crowd,
preempted and without speculation, whose answer must have the same bytes; and the shape of OpenAI's deltas.
"""
import json
import re
import sys
import unittest

from harness import Server, in_parallel

BINARY = None
CHAT = "/v1/chat/completions"

PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "city", "tags"],
          "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
                         "city": {"enum": ["Porto", "Lisbon", None]},
                         "tags": {"type": "array", "maxItems": 3, "items": {"type": "string", "pattern": "^[a-z]{1,5}$"}},
                         "note": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 0, "maximum": 1}]}}}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"],
        "additionalProperties": False}}},
    {"type": "function", "function": {"name": "set_timer", "parameters": {
        "type": "object", "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 60}},
        "required": ["minutes"], "additionalProperties": False}}},
]


def ask(text, **fields):
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 300, **fields}


def is_person(value):
    """Whether the value is valid under PERSON."""
    note = value.get("note", None)
    return (isinstance(value, dict) and set(PERSON["required"]) <= set(value) <= set(PERSON["properties"])
            and isinstance(value["name"], str) and len(value["name"]) <= 12
            and type(value["age"]) is int and 0 <= value["age"] <= 130
            and value["city"] in ("Porto", "Lisbon", None)
            and len(value["tags"]) <= 3 and all(re.fullmatch("[a-z]{1,5}", tag) for tag in value["tags"])
            and (note is None or (isinstance(note, (int, float)) and 0 <= note <= 1)))


def is_call(call):
    """Whether the call is valid under TOOLS."""
    arguments = json.loads(call["function"]["arguments"])
    if call["function"]["name"] == "get_weather":
        return set(arguments) == {"city"} and len(arguments["city"]) <= 20
    return call["function"]["name"] == "set_timer" and 1 <= arguments["minutes"] <= 60 and len(arguments) == 1


def response_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def joined(events, choice=0):
    """A stream's message, put together as OpenAI's clients do; checks the shape of the deltas."""
    message, calls, finish = {"content": "", "reasoning": ""}, [], None
    for event in events:
        for part in event["choices"]:
            if part["index"] != choice:
                continue
            delta = part["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning"] += delta.get("reasoning_content") or ""
            assert delta.get("reasoning_content") == delta.get("reasoning"), delta
            for fragment in delta.get("tool_calls", []):
                if "id" in fragment:
                    assert fragment["index"] == len(calls) and fragment["type"] == "function", fragment
                    assert fragment["function"]["name"], fragment
                    calls.append({"name": fragment["function"]["name"], "arguments": ""})
                else:
                    assert "name" not in fragment["function"], fragment
                calls[fragment["index"]]["arguments"] += fragment["function"]["arguments"]
            assert finish is None, "a delta behind the finish"
            finish = part["finish_reason"]
    return message["content"], message["reasoning"], calls, finish


def whole(choice):
    """The same of an answer in one piece."""
    message = choice["message"]
    calls = [{"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
             for call in message.get("tool_calls", [])]
    return message["content"] or "", message.get("reasoning_content", ""), calls, choice["finish_reason"]


class Structured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BINARY, "--max-num-seqs", "16", "--invariant-check-every", "1")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def test_every_answer_is_valid_at_high_temperature(self):
        def job(seed):
            body = ask("Tell me about Marek.", temperature=2.5, seed=seed, n=2, max_tokens=2000,
                       response_format=response_format(PERSON))
            answer = self.server.post(CHAT, body)
            events = self.server.stream(CHAT, body)
            for index, choice in enumerate(answer["choices"]):
                self.assertEqual(joined(events, index), whole(choice))
                if choice["finish_reason"] == "length":
                    continue
                self.assertEqual(choice["finish_reason"], "stop")
                self.assertTrue(is_person(json.loads(choice["message"]["content"])), choice)
            return sum(choice["finish_reason"] == "stop" for choice in answer["choices"])

        finished = in_parallel([lambda seed=seed: job(seed) for seed in range(24)])
        self.assertGreater(sum(finished), 40)

    def test_each_field_that_asks_for_a_structure(self):
        schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"],
                  "additionalProperties": False}
        cases = [({"guided_json": schema}, r'\{\s*"a"\s*:\s*(true|false)\s*\}'),
                 ({"json_schema": json.dumps(schema)}, r'\{\s*"a"\s*:\s*(true|false)\s*\}'),
                 ({"guided_regex": "[a-c]{5}"}, "[a-c]{5}"),
                 ({"guided_choice": ["yes", "no, never"]}, "yes|no, never"),
                 ({"guided_grammar": 'root ::= "a" [0-9]{2} "b"'}, "a[0-9]{2}b"),
                 ({"grammar": 'root ::= "a" [0-9]{2} "b"'}, "a[0-9]{2}b"),
                 ({"structured_outputs": {"choice": ["up", "down"]}}, "up|down"),
                 ({"structured_outputs": {"regex": "\\d\\d:\\d\\d"}}, r"\d\d:\d\d"),
                 ({"regex": "(ab)+c"}, "(ab)+c")]
        for temperature in (0, 2):
            for fields, pattern in cases:
                common = {"temperature": temperature, "seed": 5, "max_tokens": 60}
                choice = self.server.post(CHAT, ask("Hello!", **common, **fields))["choices"][0]
                if choice["finish_reason"] == "stop":
                    self.assertRegex(choice["message"]["content"], f"^(?:{pattern})$", fields)
                completion = self.server.post("/v1/completions", {"prompt": "Once", **common, **fields})["choices"][0]
                if completion["finish_reason"] == "stop":
                    self.assertRegex(completion["text"], f"^(?:{pattern})$", fields)
        choice = self.server.post(CHAT, ask("Hi", response_format={"type": "json_object"}, seed=1))["choices"][0]
        self.assertTrue(choice["message"]["content"].startswith("{"))

    def test_refusals_name_the_place_and_do_no_harm(self):
        bad = [({"response_format": response_format({"properties": {"a": {"pattern": "(?=x)"}}})}, "#/properties/a/pattern"),
               ({"guided_regex": "(a"}, "regex"), ({"grammar": "root ::= x"}, "x"),
               ({"structured_outputs": {"structural_tag": "x"}}, "structural_tag"),
               ({"guided_json": PERSON, "guided_regex": "a"}, "exclude"),
               ({"guided_json": {"type": "integer", "minimum": 5, "maximum": 4}}, "no text"),
               ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, "x"),
               ({"tool_choice": "required"}, "tools")]
        for fields, words in bad:
            status, _, data = self.server.request("POST", CHAT, ask("Hi", **fields))
            self.assertEqual(status, 400, data)
            self.assertIn(words, json.loads(data)["error"]["message"])
            good = self.server.post(CHAT, ask("Hi", guided_choice=["a", "b"]))
            self.assertIn(good["choices"][0]["message"]["content"], ("a", "b"))

    def test_tool_calls(self):
        question = "What is the weather in Lisbon?"
        auto = self.server.post(CHAT, ask(question, tools=TOOLS, temperature=0))["choices"][0]
        self.assertEqual(whole(auto)[2], [{"name": "get_weather", "arguments": '{"city": "Lisbon"}'}])
        self.assertIsNone(auto["message"]["content"])
        self.assertEqual(auto["finish_reason"], "tool_calls")
        named = {"type": "function", "function": {"name": "set_timer"}}

        def job(seed, choice):
            body = ask(question, tools=TOOLS, tool_choice=choice, temperature=2, seed=seed, max_tokens=600)
            answer = self.server.post(CHAT, body)["choices"][0]
            self.assertEqual(joined(self.server.stream(CHAT, body)), whole(answer))
            calls = answer["message"].get("tool_calls", [])
            if answer["finish_reason"] != "length":
                self.assertTrue(all(is_call(call) for call in calls), answer)
                if choice != "auto":
                    self.assertEqual(answer["finish_reason"], "tool_calls")
                    self.assertGreater(len(calls), 0)
            if choice == named:
                self.assertEqual([call["function"]["name"] for call in calls], ["set_timer"])

        in_parallel([lambda seed=seed, choice=choice: job(seed, choice)
                     for seed in range(8) for choice in ("auto", "required", named)])
        one = self.server.post(CHAT, ask(question, tools=TOOLS, tool_choice="required", parallel_tool_calls=False,
                                         temperature=2, seed=1))["choices"][0]
        self.assertLessEqual(len(one["message"].get("tool_calls", [])), 1)
        none = self.server.post(CHAT, ask(question, tools=TOOLS, tool_choice="none"))["choices"][0]
        self.assertNotIn("tool_calls", none["message"])

    def test_required_calls_in_every_format(self):
        for name in ("llama3_json", "pythonic", "mistral", "mistral_v11", "deepseek_v3", "deepseek_v31", "glm45",
                     "kimi_k2", "qwen3_coder", "granite", "phi4_mini_json", "minimax_m2", "lfm2", "cohere", "gemma4",
                     "openai", "hunyuan_a13b", "seed_oss", "deepseek_v32", "functionary", "olmo3", "apertus"):
            with Server(BINARY, "--tool-call-parser", name, "--reasoning-parser", "none", "--threads", "1") as server:
                for seed in range(2):
                    body = ask("The weather in Rome?", tools=TOOLS, tool_choice="required", temperature=1.5, seed=seed,
                               max_tokens=150)
                    answer = server.post(CHAT, body)["choices"][0]
                    self.assertEqual(joined(server.stream(CHAT, body)), whole(answer), name)
                    if answer["finish_reason"] == "length":
                        continue
                    self.assertGreater(len(answer["message"].get("tool_calls", [])), 0, (name, answer))
                    for call in answer["message"]["tool_calls"]:
                        self.assertIn(call["function"]["name"], ("get_weather", "set_timer"), (name, answer))
                        self.assertIsInstance(json.loads(call["function"]["arguments"]), dict, (name, answer))

    def test_reasoning(self):
        question = "What is 12 + 30?"
        body = ask(question, reasoning_effort="high", temperature=0)
        answer = self.server.post(CHAT, body)
        content, reasoning, _, finish = whole(answer["choices"][0])
        self.assertTrue(reasoning and content and "think>" not in reasoning + content)
        self.assertEqual(finish, "stop")
        self.assertEqual(joined(self.server.stream(CHAT, body)), whole(answer["choices"][0]))
        details = answer["usage"]["completion_tokens_details"]
        self.assertGreater(details["reasoning_tokens"], 5)
        self.assertLess(details["reasoning_tokens"], answer["usage"]["completion_tokens"])

        limited = self.server.post(CHAT, {**body, "thinking_token_budget": 4})
        self.assertEqual(limited["usage"]["completion_tokens_details"]["reasoning_tokens"], 4)
        self.assertTrue(whole(limited["choices"][0])[0])
        cut = self.server.post(CHAT, {**body, "max_tokens": 6})["choices"][0]
        self.assertIsNone(cut["message"]["content"])
        self.assertEqual(cut["finish_reason"], "length")
        raw = self.server.post(CHAT, {**body, "reasoning_format": "none"})["choices"][0]["message"]
        self.assertTrue(raw["content"].startswith("<think>"))
        self.assertNotIn("reasoning_content", raw)
        hidden = self.server.post(CHAT, {**body, "include_reasoning": False})["choices"][0]["message"]
        self.assertEqual((hidden["content"], "reasoning_content" in hidden), (content, False))
        off = self.server.post(CHAT, {**body, "reasoning_effort": "none"})["choices"][0]["message"]
        self.assertNotIn("reasoning_content", off)

        schema = {"type": "object", "properties": {"sum": {"type": "integer", "maximum": 1000}}, "required": ["sum"],
                  "additionalProperties": False}
        both = self.server.post(CHAT, {**body, "response_format": response_format(schema)})["choices"][0]["message"]
        self.assertTrue(both["reasoning_content"])
        self.assertLessEqual(json.loads(both["content"])["sum"], 1000)

    def test_prediction(self):
        text = "Grey mice run over the roof of the old mill by the river and hide in the barn."
        body = ask(f"Repeat this exactly: {text}", temperature=0)
        plain = self.server.post(CHAT, body)
        said = plain["choices"][0]["message"]["content"]
        guessed = self.server.post(CHAT, {**body, "prediction": {"type": "content", "content": said}})
        self.assertEqual(guessed["choices"][0]["message"]["content"], said)
        details = guessed["usage"]["completion_tokens_details"]
        self.assertGreater(details["accepted_prediction_tokens"], len(said) // 16)
        self.assertEqual(plain["usage"]["completion_tokens_details"]["accepted_prediction_tokens"], 0)

    def test_same_bytes_under_every_knob(self):
        def requests():
            for seed in range(6):
                for temperature in (0, 1.5):
                    common = {"temperature": temperature, "seed": seed, "max_tokens": 120, "return_token_ids": True}
                    yield ask(f"Tell me about Marek {seed}.", response_format=response_format(PERSON), **common)
                    yield ask("The weather in Rome?", tools=TOOLS, tool_choice="required", **common)
                    yield ask("What is 3 + 4?", thinking_token_budget=6, reasoning_effort="low",
                              response_format=response_format(PERSON), **common)

        def answers(server):
            jobs = [lambda body=body: server.post(CHAT, body) for body in requests()]
            return [(whole(answer["choices"][0]), answer["choices"][0]["token_ids"]) for answer in in_parallel(jobs)]

        wanted = answers(self.server)
        self.assertEqual(answers(self.server), wanted)
        for flags in (("--speculation", "none"), ("--debug-preempt-every", "5"), ("--threads", "1", "--debug-chunk-tokens", "7")):
            with Server(BINARY, "--max-num-seqs", "8", *flags) as server:
                self.assertEqual(answers(server), wanted, flags)

    def test_structure_brings_drafts(self):
        body = ask("Tell me about Marek.", response_format=response_format(PERSON), temperature=0)
        before = self.server.metric("vllm:spec_decode_num_accepted_tokens_total") or 0
        self.server.post(CHAT, body)
        after = self.server.metric("vllm:spec_decode_num_accepted_tokens_total") or 0
        self.assertGreater(after, before + 5)


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main(verbosity=2)
