#!/usr/bin/env python3
"""The page as a person uses it, in headless Chromium, against the real server with the demo model.

Not part of CI (Chromium is large). On Debian:
  apt-get install chromium chromium-driver
  python3 -m venv /tmp/page-venv && /tmp/page-venv/bin/pip install selenium
  /tmp/page-venv/bin/python tests/clients/page_test.py build/quire [--shots FOLDER] [--axe axe.min.js] [NAME ...]
A NAME picks the tests whose name holds it. --shots keeps screenshots; --axe runs axe-core (it lies in the wheel of
axe-playwright-python).

How it knows: the server's own API says what the page must show; other answers come from a small server of the tests'
own, which passes the page's files through and makes the answers up, so each is known to the byte.
"""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import page_access_test
import page_driver
import page_engine_test
import page_hostile_test
from page_driver import ROOT, PageCase, PrefixProxy, Quire, ScriptedServer, fetch
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

KEY = "sesame-42"


class ChatTest(PageCase):
    def test_chat_streams_and_equals_the_api(self):
        self.settings(temperature=0, max_tokens=40, system="Be brief.")
        self.say("What is continuous batching?")
        body = {"messages": [{"role": "system", "content": "Be brief."},
                             {"role": "user", "content": "What is continuous batching?"}],
                "temperature": 0, "max_tokens": 40}
        expected = fetch(self.url + "/v1/chat/completions", method="POST", body=body)
        self.assertEqual(" ".join(self.answers()[0].split()),
                         " ".join(expected["choices"][0]["message"]["content"].split()))
        self.assertIn(f"{expected['usage']['completion_tokens']} tokens", self.all("#thread .facts")[-1].text)
        self.assertIn("temperature 0", self.id("settings-summary").text)

    def test_stop_ends_the_request_in_the_server(self):
        self.settings(max_tokens=3000, min_tokens=3000)
        self.say("Tell me a very long story.", wait=False)
        self.until(lambda: self.id("stop").is_displayed())
        self.id("stop").click()
        self.until(self.idle)
        self.until(lambda: fetch(self.url + "/v1/engine/live")["requests_total"] == 0)

    def test_edit_retry_and_regenerate(self):
        self.settings(temperature=0, max_tokens=16)
        self.say("one")
        self.say("two")
        self.assertEqual(len(self.all(".message")), 4)
        self.all(".message.user button[aria-label='Edit']")[0].click()
        field = self.all(".message.user textarea")[0]
        field.clear()
        field.send_keys("changed")
        self.driver.find_element(By.XPATH, "//button[text()='Send edited']").click()
        self.until(lambda: len(self.all(".message")) == 2 and self.idle())
        self.assertEqual(self.all(".message.user .body")[0].text, "changed")
        first = self.answers()[0]
        self.all(".message.assistant button[aria-label^='Regenerate']")[0].click()
        self.until(lambda: self.idle() and len(self.all(".message")) == 2)
        self.assertEqual(self.answers()[0], first, "greedy: the same bytes again")
        self.all(".message.user button[aria-label^='Retry']")[0].click()
        self.until(lambda: self.idle() and len(self.all(".message")) == 2)
        self.assertEqual(self.answers()[0], first)

    def test_token_probabilities_by_keyboard(self):
        self.settings(temperature=0, max_tokens=12, logprobs=True)
        self.say("Tell me a story.")
        tokens = self.all(".tokens span")
        self.assertGreater(len(tokens), 3)
        self.driver.execute_script("arguments[0].focus()", tokens[0])
        self.until(lambda: self.id("tip").is_displayed())
        self.assertEqual(len(self.all("#tip tr")), 5)
        self.assertIn("%", self.id("tip").text)
        tokens[0].send_keys(Keys.ARROW_RIGHT)
        self.assertEqual(self.driver.switch_to.active_element, tokens[1])
        self.assertIn("%", tokens[1].get_attribute("aria-label"))

    def test_conversations_survive_and_travel(self):
        self.settings(temperature=0, max_tokens=8)
        self.say("remember me")
        answer = self.answers()[0]
        self.driver.refresh()
        self.until(lambda: self.answers())
        self.assertEqual(self.answers()[0], answer)
        for name, button in (("quire-conversations.json", "export-json"), ("remember-me.md", "export-md")):
            path = pathlib.Path(self.folder) / name
            path.unlink(missing_ok=True)
            self.id(button).click()
            self.until(path.exists)
            time.sleep(0.3)
            self.driver.execute_script("localStorage.removeItem('quire.conversations')")
            self.driver.refresh()
            self.until(lambda: self.all(".empty"))
            self.id("import-file").send_keys(str(path))
            self.until(lambda: self.answers())
            self.assertEqual(self.answers()[0], answer)
            self.assertEqual(self.all("#conversation-list li button")[0].text, "remember me")

    def test_a_key_is_asked_for_and_kept(self):
        self.expected_errors = ("401",)
        with Quire(self.binary, "--api-key", KEY) as server:
            self.open(server.url)
            self.until(lambda: self.id("key").is_displayed())
            self.id("key-input").send_keys("wrong", Keys.ENTER)
            self.until(lambda: not self.id("key").get_attribute("open") or self.id("key-input").get_attribute("value") == "wrong")
            self.until(lambda: self.id("key").is_displayed())
            self.id("key-input").clear()
            self.id("key-input").send_keys(KEY, Keys.ENTER)
            self.until(lambda: self.id("model").text == "demo")
            self.settings(max_tokens=5)
            self.say("hello")
            self.assertTrue(self.answers()[0])
            self.driver.find_element(By.CSS_SELECTOR, "[data-view=engine]").click()
            self.until(lambda: "Running" in self.id("tiles").text)
            self.driver.execute_script("localStorage.clear()")

    def test_markdown_is_rendered(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        text = ("# Title\n\nA **bold** and *soft* [link](https://example.com/a_b).\n\n- one\n- two\n  - inner\n\n1. first\n\n"
                "```python\nprint('<b>')\n```\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n> quoted\n\n---\nhttps://example.com/x.")
        server.script = [[{"content": part} for part in text]]  # character by character
        self.say("x")
        body = self.all(".message.assistant .body")[0]
        count = lambda selector: len(body.find_elements(By.CSS_SELECTOR, selector))
        for selector in ("h2", "strong", "em", "ul ul li", "ol li", ".codeblock pre code", "table th:nth-child(2)",
                         "blockquote", "hr", "a[href='https://example.com/a_b']", "a[href='https://example.com/x']"):
            self.assertEqual(count(selector), 1, selector)
        self.assertEqual(body.find_element(By.CSS_SELECTOR, ".codeblock code").text, "print('<b>')")

    def test_reasoning_is_folded(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        server.script = [[{"reasoning_content": "hidden thoughts"}, {"content": "shown"}],
                         [{"content": "<think>more thoughts"}, {"content": "</think>\n\nseen"}]]
        self.say("x")
        self.say("y")
        for thinking, text in (("hidden thoughts", "shown"), ("more thoughts", "seen")):
            message = [node for node in self.all(".message.assistant") if text in node.text][0]
            fold = message.find_element(By.CSS_SELECTOR, "details.reasoning")
            self.assertIsNone(fold.get_attribute("open"))
            self.assertEqual(message.find_element(By.CSS_SELECTOR, ".body").text, text)
            fold.find_element(By.CSS_SELECTOR, "summary").click()
            self.assertIn(thinking, fold.text)

    def test_tools_are_called_and_answered(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
        self.settings(tools="{bad")
        self.id("settings-open").click()
        self.assertTrue(self.id("tools-error").text)
        self.all("#settings button.primary")[0].click()
        self.settings(tools=json.dumps(tools))
        call = lambda index, name, part: {"tool_calls": [{"index": index, "id": f"call_{index}" if name else None,
                                                          "function": {"name": name, "arguments": part}}]}
        server.script = [[call(0, "weather", '{"pla'), call(0, None, 'ce": "Oslo"}'), call(1, "weather", "{}")],
                         [{"content": "It rains."}]]
        self.say("Weather?")
        self.assertEqual(server.bodies[0]["tools"], tools)
        self.assertEqual(len(self.all(".call")), 2)
        self.assertIn("Oslo", self.all(".call")[0].text)
        for result in ("rain", "sun"):
            self.all(".call textarea")[0].send_keys(result)
            self.all(".call .give")[0].click()
        self.until(lambda: "It rains." in self.answers())
        sent = server.bodies[1]["messages"]
        self.assertEqual(sent[1]["tool_calls"][0]["function"], {"name": "weather", "arguments": '{"place": "Oslo"}'})
        self.assertEqual([(m["role"], m.get("tool_call_id"), m["content"]) for m in sent[2:]],
                         [("tool", "call_0", "rain"), ("tool", "call_1", "sun")])

    def test_the_demo_model_calls_a_tool_itself(self):
        """No script: the model writes the call, the server parses it, a person answers it, the model reads the answer.
        The API, asked the same two questions, says what the page must show."""
        self.open(self.url)
        function = lambda name, about, **values: {"type": "function", "function": {
            "name": name, "description": about,
            "parameters": {"type": "object", "properties": values, "required": list(values)}}}
        tools = [function("get_weather", "Get the weather for a city", city={"type": "string"}),
                 function("set_timer", "Start a timer", minutes={"type": "integer"})]
        messages = [{"role": "user", "content": "What is the weather in Lisbon?"}]

        def ask():
            return fetch(self.url + "/v1/chat/completions", method="POST", body={
                "messages": messages, "tools": tools, "temperature": 0})["choices"][0]["message"]

        wanted = ask()
        call = wanted["tool_calls"][0]
        self.assertEqual((call["function"]["name"], json.loads(call["function"]["arguments"])),
                         ("get_weather", {"city": "Lisbon"}))
        self.settings(tools=json.dumps(tools), temperature="0")
        self.say(messages[0]["content"])
        self.until(lambda: self.all(".call textarea"))
        self.assertEqual(len(self.all(".call")), 1)
        for part in ("get_weather", "Lisbon"):
            self.assertIn(part, self.all(".call")[0].text)
        self.shots("tool-called")
        result = '{"temperature": 21, "condition": "sunny"}'
        messages += [wanted, {"role": "tool", "tool_call_id": call["id"], "content": result}]
        told = ask()["content"]
        self.assertIn("21", told)
        self.all(".call textarea")[0].send_keys(result)
        self.all(".call .give")[0].click()
        self.until(lambda: told in self.answers())
        self.shots("tool-answered")

    def test_images_where_the_model_takes_them(self):
        (model,) = fetch(self.url + "/v1/models")["data"]
        self.assertNotIn("vision", model["capabilities"])
        self.assertFalse(self.id("attach").is_displayed(), "the demo model reads text alone")
        server = ScriptedServer(self.url)
        server.model["capabilities"] += ["vision"]
        self.open(server.url)
        self.until(lambda: self.id("attach").is_displayed())
        picture = pathlib.Path(self.folder) / "dot.png"
        self.id("model").screenshot(str(picture))
        self.id("attach-file").send_keys(str(picture))
        self.until(lambda: self.all("#attachments img"))
        server.script = [[{"content": "a dot"}]]
        self.say("What is it?")
        content = server.bodies[0]["messages"][0]["content"]
        self.assertEqual([part["type"] for part in content], ["text", "image_url"])
        self.assertTrue(content[1]["image_url"]["url"].startswith("data:image/png;base64,"))

    def test_what_was_edited_away_can_be_turned_back_to(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        server.script = [[{"content": f"answer {i}"}] for i in range(5)]
        self.say("first")
        self.say("second")
        self.button("Regenerate", self.all(".message.assistant")[0]).click()
        self.until(lambda: self.answers() == ["answer 2"])
        self.say("third")
        self.assertEqual([m["content"] for m in server.bodies[3]["messages"]], ["first", "answer 2", "third"])
        turn = lambda label, i=0: self.all(f".versions button[aria-label='{label} version']")[i].click()
        turn("Previous")
        self.assertEqual(self.answers(), ["answer 0", "answer 1"])
        self.assertEqual(self.all(".versions")[0].text, "\u2039 1 / 2 \u203a")
        self.driver.refresh()
        self.until(lambda: self.answers() == ["answer 0", "answer 1"])
        turn("Next")
        self.until(lambda: self.answers() == ["answer 2", "answer 3"])
        self.button("Edit", self.all(".message.user")[0]).click()
        self.all(".message.user textarea")[0].send_keys(" changed")
        self.button("Send edited").click()
        self.until(lambda: self.answers() == ["answer 4"])
        turn("Previous")
        self.assertEqual(self.answers(), ["answer 2", "answer 3"], "versions inside versions")

    def test_search_among_conversations(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        server.script = [[{"content": text}] for text in ("a zebra", "an ape", "a whale")]
        for title in ("stripes", "trees", "seas"):
            self.id("new-chat").click()
            self.say(title)
        titles = lambda: [node.text for node in self.all("#conversation-list li button:first-child")]
        self.assertEqual(titles(), ["seas", "trees", "stripes"])
        self.id("search").send_keys("ZEBRA")
        self.assertEqual(titles(), ["stripes"])
        self.assertEqual(self.id("search-note").text, "1 of 3 conversations")

    def test_the_form_of_an_answer_is_kept_by_the_real_server(self):
        self.settings(form="choice", **{"form-text": "maple\noak"}, max_tokens=20)
        self.say("Which tree?")
        self.assertIn(self.answers()[0], ("maple", "oak"))
        self.id("new-chat").click()
        self.settings(form="json_schema", **{"form-text": json.dumps({"type": "object", "properties": {"n": {"enum": [7]}},
                                                                      "required": ["n"], "additionalProperties": False})}, max_tokens=60)
        self.say("A number?")
        self.assertEqual(json.loads(self.answers()[0]), {"n": 7})
        self.assertIn("json by a schema", self.id("settings-summary").text)

    def test_settings_are_those_that_the_server_takes(self):
        described = fetch(self.url + "/openapi.json")["components"]["schemas"]["V1ChatCompletionsRequest"]["properties"]
        usual = fetch(self.url + "/props")["default_generation_settings"]["params"]
        self.id("settings-open").click()
        for field in self.all("#sampling input"):
            name = field.get_attribute("id").removeprefix("set-")
            self.assertIn(name, described)
            self.assertEqual(field.get_attribute("placeholder"), f"{usual[name]:g}" if name in usual else "", name)
            if "maximum" in described[name]:
                self.assertLessEqual(float(field.get_attribute("max")), described[name]["maximum"])
        server = ScriptedServer(self.url)
        del described["min_p"]
        described["typical_p"] = {"enum": [None, 1]}
        server.overrides["/openapi.json"] = {"components": {"schemas": {"V1ChatCompletionsRequest": {"properties": described}}}}
        self.open(server.url)
        self.id("settings-open").click()
        self.until(lambda: not self.id("set-min_p").is_displayed() and not self.id("set-typical_p").is_displayed())
        self.assertTrue(self.id("set-top_p").is_displayed())

    def test_the_command_asks_the_same(self):
        self.settings(temperature=0, max_tokens=6, system="It's \"so\"")
        self.say("What's $HOME?")
        self.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        self.button("curl", self.all(".message.assistant")[0]).click()
        command = self.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        said = subprocess.run(["bash", "-c", command.replace("curl -N", "curl -s -N")], capture_output=True, text=True, check=True).stdout
        parts = [json.loads(line[6:]) for line in said.splitlines() if line.startswith("data: {")]
        text = "".join(choice["delta"].get("content") or "" for part in parts for choice in part["choices"])
        self.assertEqual(text.split(), self.answers()[0].split())

    def test_workbench_continues_and_compares(self):
        self.open(self.url, "bench")
        self.fill("bench-prompt", "Once upon a time")
        self.fill("side-0-temperature", 0)
        self.fill("side-0-max_tokens", 24)
        self.id("bench-run").click()
        self.until(lambda: "24 tokens" in self.all(".side .facts")[0].text)
        body = {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 24, "seed": 1, "logprobs": 5}
        (choice,) = fetch(self.url + "/v1/completions", method="POST", body=body)["choices"]
        shown = [node.get_property("textContent") for node in self.all(".side .tokens span")]
        self.assertEqual(shown, choice["logprobs"]["tokens"])
        first = self.all(".side .tokens span")[0].get_attribute("aria-label")
        percent = 100 * 2.718281828459045 ** choice["logprobs"]["token_logprobs"][0]
        self.assertAlmostEqual(float(first.split(", ")[-1].split(" %")[0].split()[-1]), percent, delta=0.06)

        self.id("bench-compare").click()
        for name, value in (("temperature", 0), ("max_tokens", 24)):
            self.fill(f"side-1-{name}", value)
        self.id("bench-run").click()
        self.until(lambda: self.id("bench-result").text == "Both answers are the same, byte for byte.")
        self.fill("side-1-temperature", 2)
        self.fill("side-1-seed", 5)
        self.id("bench-run").click()
        self.until(lambda: "differ" in self.id("bench-result").text)

    def test_workbench_fills_gaps_where_the_model_can(self):
        self.open(self.url, "bench")
        self.assertEqual(self.id("bench-fill").is_enabled(), "insert" in fetch(self.url + "/v1/models")["data"][0]["capabilities"])
        server = ScriptedServer(self.url)
        server.model["capabilities"] = ["completion", "insert"]
        self.open(server.url, "bench")
        self.until(lambda: self.id("bench-fill").is_enabled())
        self.id("bench-fill").click()
        self.fill("bench-prompt", "def f(")
        self.fill("bench-suffix", "return x")
        server.script = [[{"content": "x): "}]]
        self.id("bench-run").click()
        self.until(lambda: self.all(".reply")[0].text.rstrip() == "x):")
        self.assertEqual((server.bodies[0]["prompt"], server.bodies[0]["suffix"]), ("def f(", "return x"))

    def test_a_model_without_a_chat_template(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (ROOT / "demo").iterdir():
                if path.is_file() and path.name != "chat_template.jinja":
                    shutil.copy(path, folder)
            config = pathlib.Path(folder) / "tokenizer_config.json"
            config.write_text(json.dumps({k: v for k, v in json.loads(config.read_text()).items() if k != "chat_template"}))
            with Quire(self.binary, model=folder) as server:
                self.open(server.url)
                self.until(lambda: self.id("bench-prompt").is_displayed())
                self.assertFalse(self.id("bench-chat").is_enabled())
                self.fill("bench-prompt", "Once")
                self.fill("side-0-max_tokens", 5)
                self.id("bench-run").click()
                self.until(lambda: self.all(".reply")[0].text)
                self.all("[data-view=chat]")[0].click()
                self.assertIn("no chat template", self.id("no-chat").text)
                self.assertFalse(self.id("input").is_enabled())

    def test_a_server_that_dies_is_told_and_comes_back(self):
        self.expected_errors = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE")
        with Quire(self.binary) as server:
            self.open(server.url)
            self.settings(max_tokens=3000, min_tokens=3000)
            self.say("Tell me a story.", wait=False)
            self.until(lambda: self.answers() and self.answers()[0])
            server.kill()
            self.until(self.idle)
            self.assertTrue(self.all(".message.assistant .error")[0].text)
            self.assertTrue(self.answers()[0], "what had come stays")
            self.until(lambda: "cannot be reached" in self.id("health").text, 30)
            with Quire(self.binary, port=server.url.split(":")[-1]):
                self.until(lambda: self.id("health").text == "ready", 30)
                self.settings(max_tokens=4, min_tokens="")
                self.button("Regenerate").click()
                self.until(lambda: self.idle() and not self.all(".message.assistant .error")[0].is_displayed())

    def test_behind_a_path_prefix(self):
        proxy = PrefixProxy(self.url, "/models/quire")
        self.open(proxy.url)
        self.settings(temperature=0, max_tokens=6)
        self.say("hello")
        self.assertTrue(self.answers()[0])
        self.all("[data-view=engine]")[0].click()
        self.until(lambda: "Running" in self.id("tiles").text)
        self.assertEqual([path for path in proxy.strangers if path != "/favicon.ico"], [])


if __name__ == "__main__":
    import page_test
    page_driver.main(page_test, page_hostile_test, page_access_test, page_engine_test)
