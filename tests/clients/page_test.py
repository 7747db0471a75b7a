#!/usr/bin/env python3
"""The page as a person uses it, in headless Chromium, against the real server with the demo model.

Not part of CI (Chromium is large). On Debian:
  apt-get install chromium chromium-driver
  python3 -m venv /tmp/page-venv && /tmp/page-venv/bin/pip install selenium
  /tmp/page-venv/bin/python tests/clients/page_test.py build/quire [--shots FOLDER] [TestName ...]
--shots keeps screenshots of both views, light and dark, wide and narrow, idle and under 64 streams.

How it knows: the server's own /v1/requests and /v1/engine/live say what the page must show; hostile
answers come from a small server of the test's own, which passes the page's files through and makes
the answers up, so each is known to the byte.
"""
import argparse
import contextlib
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sesame-42"
HOSTILE = [
    "<script>window.owned=1</script>",
    "<img src=x onerror=\"window.owned=2\">",
    "<svg onload=window.owned=3><a href='javascript:window.owned=4'>x</a></svg>",
    "[click](javascript:window.owned=5) [data](data:text/html,<script>window.owned=6</script>)",
    "[v](vbscript:x) [j](JaVaScRiPt:window.owned=7) [n](java\nscript:alert(1)) [f](file:///etc/passwd)",
    "![i](http://127.0.0.1:9/beacon.png) <iframe src=//127.0.0.1:9></iframe>",
    "[quote](https://example.com/\"onmouseover=\"window.owned=8)",
    "```html\n<script>window.owned=9</script>\n```\n~~~\nnever closed <b>x</b>",
    "| a | b |\n|---|---|\n| <script>window.owned=10</script> | [x](javascript:1) |",
    "**bold *mixed** up* `code ``` ~~x",
    "\u202etxt.exe\u202c and \u2066isolated",
    "# <u>head</u>\n> <script>window.owned=11</script>\n- <form action=//x><input></form>",
    "x" * 20000,
    "*" * 6000 + "[" * 6000 + "`" * 6000,
    "> " * 3000 + "deep",
    "</div></main></body><style>*{display:none}</style>",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def quire(binary, *flags):
    port = free_port()
    process = subprocess.Popen([binary, "serve", "--model", str(ROOT / "demo"), "--port", str(port),
                                "--kv-cache-memory", "24M", *flags],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("quire: ready on "), line
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def fetch(url, key=None, method="GET", body=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
        return json.loads(answer.read() or b"null")


class ScriptedServer(http.server.ThreadingHTTPServer):
    """The page's files from a real server, answers of the test's own making."""

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.upstream, self.script, self.bodies = upstream, [], []
        self.capabilities = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class ScriptedHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def send(self, status, kind, body, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            model = {"id": "scripted", "object": "model", "capabilities": self.server.capabilities}
            return self.send(200, "application/json", json.dumps({"data": [model]}).encode())
        try:
            with urllib.request.urlopen(self.server.upstream + self.path, timeout=10) as answer:
                keep = [(k, v) for k, v in answer.headers.items()
                        if k.lower() in ("content-security-policy", "x-content-type-options")]
                return self.send(200, answer.headers["Content-Type"], answer.read(), keep)
        except urllib.error.HTTPError as error:
            return self.send(error.code, "text/plain", b"")

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        deltas = self.server.script.pop(0)
        events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.send(200, "text/event-stream", body.encode())


class PageTest(unittest.TestCase):
    binary = shots = None

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.url = cls.stack.enter_context(quire(cls.binary))
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        cls.folder = cls.stack.enter_context(tempfile.TemporaryDirectory())
        options.add_experimental_option("prefs", {"download.default_directory": cls.folder})
        cls.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        cls.stack.callback(cls.driver.quit)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        self.size(1280, 900)
        self.open(self.url)

    def tearDown(self):
        severe = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        wanted = getattr(self, "expected_errors", ())
        self.assertEqual([line for line in severe if not any(part in line for part in wanted)], [])

    # --- hands and eyes

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def open(self, url, view="chat", theme=None):
        self.driver.get(url + "/")
        self.driver.execute_script("localStorage.clear()")
        if theme:
            self.driver.execute_script("localStorage.setItem('quire.theme', arguments[0])", theme)
        self.driver.execute_script("localStorage.setItem('quire.view', arguments[0])", view)
        self.driver.get(url + "/?" + str(time.time()))
        self.until(lambda: self.id("model").text or self.id("key").is_displayed())

    def id(self, name):
        return self.driver.find_element(By.ID, name)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, condition, seconds=60):
        return WebDriverWait(self.driver, seconds, 0.05, [StaleElementReferenceException]).until(lambda _: condition())

    def idle(self):
        return not self.id("stop").is_displayed() and not self.all(".message.busy")

    def say(self, text, wait=True):
        self.id("input").send_keys(text, Keys.ENTER)
        if wait:
            self.until(lambda: len(self.all(".message.assistant")) and self.idle())

    def settings(self, **values):
        self.id("settings-open").click()
        for name, value in values.items():
            field = self.id(f"set-{name}")
            if field.get_attribute("type") == "checkbox":
                if field.is_selected() != value:
                    field.click()
            else:
                self.driver.execute_script("arguments[0].value = arguments[1];"
                                           "arguments[0].dispatchEvent(new Event('input'))", field, str(value))
        self.all("#settings button.primary")[0].click()

    def answers(self):
        return [node.text for node in self.all(".message.assistant .body")]

    # --- chat

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
        with quire(self.binary, "--api-key", KEY) as url:
            self.open(url)
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

    # --- what only a scripted server can say

    def test_hostile_answers_stay_text(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        for text in HOSTILE:
            self.id("new-chat").click()
            half = len(text) // 2
            server.script = [[{"content": text[:half]}, {"reasoning_content": text[:500]}, {"content": text[half:]}]]
            self.say("x")
            time.sleep(0.1)
            self.assertIsNone(self.driver.execute_script("return window.owned ?? null"), text[:60])
            found = self.driver.execute_script(
                "return [...document.querySelectorAll('#thread *')].map(n => [n.tagName.toLowerCase(),"
                " [...n.attributes].map(a => a.name + '=' + a.value)])")
            for tag, attributes in found:
                self.assertNotIn(tag, ("script", "img", "iframe", "svg", "form", "style", "object", "embed", "input"))
                for attribute in attributes:
                    self.assertFalse(attribute.startswith("on"), attribute[:80])
                    self.assertFalse(attribute.startswith("src="), attribute[:80])
                    if attribute.startswith("href="):
                        self.assertRegex(attribute, "^href=https?://")
                if tag == "a":
                    self.assertIn("rel=noopener noreferrer nofollow", attributes)
            shown = self.driver.execute_script("return document.querySelector('.message.assistant .body').textContent")
            for word in ("owned", "txt.exe", "xxxxx", "deep", "never closed"):
                if word in text and "(" not in text:
                    self.assertIn(word, shown)
            self.assertNotRegex(shown, "[\u202a-\u202e\u2066-\u2069]")
            width = self.driver.execute_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, 1280, "a long line must not widen the page")

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
        server.capabilities = ["completion", "vision"]
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

    # --- engine

    def load(self, requests=400, streams=64, tokens=120):
        return subprocess.Popen([self.binary, "bench", "serve", "--url", self.url, "--requests", str(requests), "--concurrency",
                                 str(streams), "--input-tokens", "160", "--shared-prefix-tokens", "64", "--output-tokens",
                                 str(tokens)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_engine_under_load_and_cancel(self):
        self.open(self.url, "engine")
        self.until(lambda: "Running" in self.id("tiles").text)
        load = self.load()
        try:
            self.until(lambda: len(self.all("#request-rows tr")) > 20)
            self.until(lambda: "Guess 1" in self.id("drafts").text and len(self.all("#tree rect")) > 3)
            painted = self.driver.execute_script(
                "return ['batch', 'steps', 'bandwidth'].map(id => { const c = document.getElementById(id);"
                " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
                " const s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i+1] << 8 | d[i+2]); return s.size; })")
            self.assertTrue(all(colours >= 3 for colours in painted), painted)
            self.assertRegex(self.id("pools").text, r"\d+ in all, [1-9]\d* held")
        finally:
            load.terminate()
            load.wait()
        self.until(lambda: fetch(self.url + "/v1/engine/live")["requests_total"] == 0, 30)
        threading.Thread(target=lambda: self.long_request("to-be-cancelled"), daemon=True).start()
        button = self.until(lambda: self.all("button[aria-label='Cancel request to-be-cancelled']"))[0]
        button.click()
        self.until(lambda: not fetch(self.url + "/v1/engine/live")["requests_total"])
        self.until(lambda: "was cancelled" in self.id("announce").get_attribute("textContent"))

    def long_request(self, name):
        request = urllib.request.Request(self.url + "/v1/completions", json.dumps(
            {"prompt": "Once", "max_tokens": 3500, "ignore_eos": True}).encode(),
            {"Content-Type": "application/json", "X-Request-Id": name})
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(request, timeout=60).read()

    def test_nobody_is_asked_while_nobody_watches(self):
        opened = "return performance.getEntriesByType('resource').filter(e => e.name.includes('engine/live')).length"
        time.sleep(1)
        self.assertEqual(self.driver.execute_script(opened), 0, "the chat view alone does not watch")

    # --- everybody

    def test_names_roles_and_focus(self):
        for view in ("chat", "engine"):
            self.open(self.url, view)
            nameless = self.driver.execute_script(
                "return [...document.querySelectorAll('button, input, select, textarea, canvas, dialog, table, [role=img]')]"
                ".filter(n => n.checkVisibility()).filter(n => !(n.textContent.trim() || n.getAttribute('aria-label')"
                " || n.labels?.length || n.getAttribute('aria-labelledby') || n.tagName === 'TABLE')).map(n => n.outerHTML.slice(0, 90))")
            self.assertEqual(nameless, [])
        self.open(self.url)
        order = []
        self.driver.execute_script("document.body.focus()")
        for _ in range(16):
            webdriver.ActionChains(self.driver).send_keys(Keys.TAB).perform()
            order.append(self.driver.switch_to.active_element.get_attribute("id") or "-")
        self.assertLess(order.index("key-open"), order.index("input"))
        self.assertLess(order.index("input"), order.index("settings-open"))

    def test_contrast_of_text(self):
        """WCAG 2: 4.5 to 1 for text, from the computed colours."""
        script = """
          const lum = c => { const v = c.map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
            return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
          const parse = s => s.match(/[\\d.]+/g).map(Number);
          const ground = n => { for (; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor);
            if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
          const bad = [];
          for (const n of document.querySelectorAll('body *')) {
            if (!n.checkVisibility() || n.closest('svg') || n.disabled) continue;
            if (![...n.childNodes].some(c => c.nodeType === 3 && c.data.trim())) continue;
            const a = lum(parse(getComputedStyle(n).color).slice(0, 3)), b = lum(ground(n));
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < 4.5) bad.push([ratio.toFixed(2), n.tagName, n.className, n.textContent.slice(0, 30)]);
          }
          return bad;"""
        for theme in ("light", "dark"):
            for view in ("chat", "engine"):
                self.open(self.url, view, theme)
                if view == "chat":
                    self.settings(max_tokens=4, logprobs=True)
                    self.say("x")
                else:
                    self.until(lambda: "Running" in self.id("tiles").text)
                self.assertEqual(self.driver.execute_script(script), [], f"{theme} {view}")

    def test_fits_and_switches_colours(self):
        for width in (1500, 1000, 390):
            self.size(width, 800)
            for view in ("chat", "engine"):
                self.open(self.url, view)
                got = self.driver.execute_script("return document.documentElement.scrollWidth")
                self.assertLessEqual(got, width, f"{view} at {width}")
        colour = lambda: self.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        Select(self.id("theme")).select_by_value("light")
        light = colour()
        Select(self.id("theme")).select_by_value("dark")
        self.assertNotEqual(colour(), light)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]})
        Select(self.id("theme")).select_by_value("auto")
        self.assertEqual(colour(), light)

    def test_zz_screenshots(self):
        if not self.shots:
            self.skipTest("no --shots FOLDER")
        folder = pathlib.Path(self.shots)
        folder.mkdir(parents=True, exist_ok=True)
        for state in ("idle", "load"):
            load = self.load(requests=4000) if state == "load" else None
            for theme in ("light", "dark"):
                for name, width, height in (("wide", 1280, 1900), ("narrow", 390, 2400)):
                    self.size(width, height)
                    self.open(self.url, "engine", theme)
                    self.until(lambda: "Running" in self.id("tiles").text)
                    time.sleep(5 if load else 1)
                    self.driver.save_screenshot(str(folder / f"engine-{state}-{theme}-{name}.png"))
            if load:
                load.terminate()
                load.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--shots")
    arguments, rest = parser.parse_known_args()
    PageTest.binary, PageTest.shots = str(pathlib.Path(arguments.binary).resolve()), arguments.shots
    unittest.main(argv=[sys.argv[0], *[name if "." in name or name.startswith("-") else f"PageTest.{name}" for name in rest]])
