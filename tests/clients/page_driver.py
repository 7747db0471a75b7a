"""The hands and eyes of the page's tests: servers, a headless browser, and what a person does with it.

The browser's own log is evidence in every test: no error, no warning, no request to another host.
"""
import argparse
import contextlib
import http.client
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
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Quire:
    """A real server with the demo model, or with the folder given."""

    def __init__(self, binary, *flags, model=None, port=None):
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self.process = subprocess.Popen([binary, "serve", "--model", str(model or ROOT / "demo"), "--port", self.url.split(":")[-1],
                                         "--kv-cache-memory", "24M", *flags],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("quire: ready on "), line

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


def fetch(url, key=None, method="GET", body=None, name=None):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if name:
        headers["X-Request-Id"] = name
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=300) as answer:
        return json.loads(answer.read() or b"null")


def metrics(url):
    """The samples of /metrics: {name with labels: value}."""
    with urllib.request.urlopen(url + "/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


class ScriptedServer(http.server.ThreadingHTTPServer):
    """The page's files from a real server, answers of the test's own making.

    script: one entry for each POST: a list of deltas (a number among them: seconds to wait), or a
    whole event, marked by a key "choices" or "usage"; or (status, object) for an error.
    """
    daemon_threads = True

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        self.upstream, self.script, self.bodies, self.overrides = upstream, [], [], {}
        self.model = {"id": "scripted", "object": "model", "capabilities": ["completion", "chat", "tools"]}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass  # a browser that goes is no news


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
        path = self.path.split("?")[0]
        if path in self.server.overrides:
            return self.send(200, "application/json", json.dumps(self.server.overrides[path]).encode())
        if path == "/v1/models":
            return self.send(200, "application/json", json.dumps({"data": [self.server.model]}).encode())
        try:
            with urllib.request.urlopen(self.server.upstream + self.path, timeout=10) as answer:
                keep = [(k, v) for k, v in answer.headers.items()
                        if k.lower() in ("content-security-policy", "x-content-type-options")]
                return self.send(200, answer.headers["Content-Type"], answer.read(), keep)
        except urllib.error.HTTPError as error:
            return self.send(error.code, "text/plain", b"")

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        script = self.server.script.pop(0)
        if isinstance(script, tuple):
            return self.send(script[0], "application/json", json.dumps(script[1]).encode())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        ended = False
        for delta in script:
            if isinstance(delta, (int, float)):
                time.sleep(delta)
                continue
            if isinstance(delta, bytes):
                self.wfile.write(delta)
                continue
            event = delta if "choices" in delta or "usage" in delta or "error" in delta else {
                "choices": [{"index": 0, "delta": delta, "text": delta.get("content", ""), "finish_reason": None}]}
            ended = ended or "error" in event or any(choice.get("finish_reason") for choice in event.get("choices") or [] if choice)
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if not ended:
            self.wfile.write(b'data: {"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]}\n\n')
        self.wfile.write(b"data: [DONE]\n\n")


class PrefixProxy(http.server.ThreadingHTTPServer):
    """What stands in front of the server where it lives at /some/prefix/ of another host."""
    daemon_threads = True

    def __init__(self, upstream, prefix):
        super().__init__(("127.0.0.1", 0), PrefixHandler)
        self.upstream, self.prefix, self.strangers = upstream, prefix, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}{prefix}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class PrefixHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def pass_on(self):
        if not self.path.startswith(self.server.prefix + "/"):
            self.server.strangers.append(self.path)
            self.send_error(404)
            return
        up = http.client.HTTPConnection(self.server.upstream.removeprefix("http://"), timeout=60)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        keep = {name: self.headers[name] for name in ("Content-Type", "Authorization", "X-Request-Id") if self.headers[name]}
        up.request(self.command, self.path.removeprefix(self.server.prefix), body, keep)
        answer = up.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(part)
        up.close()

    do_GET = do_POST = do_DELETE = pass_on


class World:
    """One real server and one browser for all tests of a run."""
    binary = shots = axe = url = driver = folder = None
    stack = contextlib.ExitStack()

    @classmethod
    def start(cls):
        if cls.driver:
            return
        cls.url = cls.stack.enter_context(Quire(cls.binary)).url
        cls.folder = cls.stack.enter_context(tempfile.TemporaryDirectory())
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.add_experimental_option("prefs", {"download.default_directory": cls.folder})
        cls.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        cls.stack.callback(cls.driver.quit)


class PageCase(unittest.TestCase):
    expected_errors = ()  # parts of lines of the browser's log that a test provokes

    def setUp(self):
        World.start()
        self.binary, self.url, self.driver, self.folder = World.binary, World.url, World.driver, World.folder
        self.size(1280, 900)
        self.open(self.url)

    def tearDown(self):
        asked = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        for event in asked:
            if event["method"] != "Network.requestWillBeSent":
                continue
            address = event["params"]["request"]["url"]
            self.assertRegex(address, r"^(http://127\.0\.0\.1:(?!9/)|data:|blob:http://127\.0\.0\.1:|about:)", "asked outside")
        lines = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        self.assertEqual([line for line in lines if not any(part in line for part in self.expected_errors)], [])

    def size(self, width, height, scale=1):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False})

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

    def all(self, selector, within=None):
        return (within or self.driver).find_elements(By.CSS_SELECTOR, selector)

    def button(self, text, within=None):
        return (within or self.driver).find_element(By.XPATH, f".//button[normalize-space(text())='{text}']")

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, condition, seconds=60):
        forgiven = [StaleElementReferenceException, NoSuchElementException]
        return WebDriverWait(self.driver, seconds, 0.05, forgiven).until(lambda _: condition())

    def idle(self):
        return not self.id("stop").is_displayed() and not self.all(".message.busy")

    def say(self, text, wait=True):
        self.id("input").send_keys(text, Keys.ENTER)
        if wait:
            self.until(lambda: len(self.all(".message.assistant")) and self.idle())

    def fill(self, name, value):
        field = self.id(name)
        if field.get_attribute("type") == "checkbox":
            if field.is_selected() != value:
                field.click()
            return
        self.js("arguments[0].value = arguments[1];"
                "for (const name of ['input', 'change']) arguments[0].dispatchEvent(new Event(name, {bubbles: true}))", field, str(value))

    def settings(self, **values):
        self.id("settings-open").click()
        for name, value in values.items():
            self.fill(f"set-{name}", value)
        self.all("#settings button.primary")[0].click()

    def answers(self):
        return [node.text for node in self.all(".message.assistant .body")]

    def shots(self, name):
        """Screenshots for a person to look at, where --shots names a folder."""
        if not World.shots:
            return
        folder = pathlib.Path(World.shots)
        folder.mkdir(parents=True, exist_ok=True)
        for theme in ("light", "dark"):
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
            for form, width, height in (("wide", 1280, 900), ("narrow", 390, 844)):
                self.size(width, height)
                time.sleep(0.3)
                self.driver.save_screenshot(str(folder / f"{name}-{theme}-{form}.png"))
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.size(1280, 900)

    def live(self):
        return fetch(self.url + "/v1/engine/live")

    def quiet(self):
        self.until(lambda: self.live()["requests_total"] == 0)


def main(*modules):
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--shots", help="folder for screenshots")
    parser.add_argument("--axe", help="axe.min.js: checks WCAG 2.2 A and AA with it")
    World.binary = str(pathlib.Path(parser.parse_known_args()[0].binary).resolve())
    arguments, names = parser.parse_known_args()
    World.shots, World.axe = arguments.shots, arguments.axe
    suite = unittest.TestSuite()
    for module in modules:
        for test in unittest.defaultTestLoader.loadTestsFromModule(module):
            suite.addTests(case for case in test if not names or any(name in str(case) for name in names))
    with World.stack:
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful())
