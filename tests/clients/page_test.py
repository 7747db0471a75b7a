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
import time

import page_access_test
import page_driver
import page_engine_test
import page_hostile_test
from page_driver import PageCase, Quire, ScriptedServer, fetch
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
        self.assertIn(f"{expected['usage']['completion_tokens']} tokens", self.all(".facts")[-1].text)
        self.assertIn("temperature 0", self.id("settings-summary").text)

    def test_stop_ends_the_request_in_the_server(self):
        self.settings(max_tokens=3000)
        self.driver.execute_script("window.scrollTo(0, 0)")
        self.settings(tools="")
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
        self.all(".message.assistant button[aria-label^='Generate']")[0].click()
        self.until(lambda: self.idle() and len(self.all(".message")) == 2)
        self.assertEqual(self.answers()[0], first, "greedy: the same bytes again")
        self.all(".message.user button[aria-label='Send this message again']")[0].click()
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

    def test_images_where_the_model_takes_them(self):
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


if __name__ == "__main__":
    import page_test
    page_driver.main(page_test, page_hostile_test, page_access_test, page_engine_test)
