#!/usr/bin/env python3
"""The page in headless Firefox: a smoke run beside page_test.py, which goes through everything in Chromium.

Not part of CI. On Debian, without geckodriver (Firefox is spoken to directly):
  apt-get install firefox-esr
  python3 -m venv /tmp/page-venv && /tmp/page-venv/bin/pip install selenium marionette_driver
  /tmp/page-venv/bin/python tests/clients/page_firefox.py build/quire [--shots FOLDER]

How it knows: the server's own API gives the text that a chat must show; Firefox's own console is read for errors,
warnings and violations of the content security policy; pictures must have been painted, in several colours.
"""
import argparse
import base64
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from page_driver import Quire, fetch, free_port

try:
    from marionette_driver.by import By
    from marionette_driver.keys import Keys
    from marionette_driver.marionette import ActionSequence, Marionette
except ImportError:
    Marionette = None

FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
CONSOLE = """
  const lines = [];
  for (const entry of Services.console.getMessageArray()) {
    if (!(entry instanceof Ci.nsIScriptError)) continue;
    if (entry.sourceName.startsWith(arguments[0]) || /^(CSP|content)/.test(entry.category)) {
      lines.push(`${entry.category}: ${entry.errorMessage}`);
    }
  }
  const storage = Cc["@mozilla.org/consoleAPI-storage;1"].getService(Ci.nsIConsoleAPIStorage);
  for (const event of storage.getEvents()) {
    if (["error", "warn"].includes(event.level) && event.filename.startsWith(arguments[0])) {
      lines.push(`${event.level}: ${event.arguments.join(" ")}`);
    }
  }
  return lines;"""
COLOURS = """
  return ["batch", "steps", "bandwidth"].map(id => {
    const canvas = document.getElementById(id);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
    return seen.size;
  })"""


@unittest.skipUnless(Marionette, "marionette_driver is not installed")
@unittest.skipUnless(FIREFOX, "Firefox is not installed")
class FirefoxTest(unittest.TestCase):
    binary = shots = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Quire(cls.binary))
        # System access: the console is read from the browser's own side.
        cls.browser = Marionette(bin=FIREFOX, port=free_port(), headless=True,
                                 gecko_log=str(pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory())) / "log"),
                                 app_args=["--remote-allow-system-access"])
        cls.addClassCleanup(cls.end_browser)
        cls.browser.start_session()

    @classmethod
    def end_browser(cls):
        cls.browser.cleanup()
        cls.browser = None  # its profile goes with it

    def setUp(self):
        self.theme("light")
        self.browser.set_window_rect(width=1280, height=1000)
        self.open("chat")

    def tearDown(self):
        with self.browser.using_context("chrome"):
            lines = self.browser.execute_script(CONSOLE, [self.server.url])
        self.assertEqual(lines, [])

    def theme(self, name):
        self.browser.set_pref("layout.css.prefers-color-scheme.content-override", ("dark", "light").index(name))

    def open(self, view):
        self.browser.navigate(self.server.url + "/")
        self.js("localStorage.clear(); localStorage.setItem('quire.view', arguments[0])", view)
        self.browser.navigate(f"{self.server.url}/?{time.time()}")
        self.until(lambda: self.text("#model"))

    def js(self, script, *arguments):
        return self.browser.execute_script(script, list(arguments))

    def text(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map(n => n.innerText).join('\\n')", selector)

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not (value := condition()):
            self.assertLess(time.monotonic(), end, "waited too long")
            time.sleep(0.02)
        return value

    def shot(self, name):
        if self.shots:
            path = pathlib.Path(self.shots) / f"firefox-{name}.png"
            path.write_bytes(base64.b64decode(self.browser.screenshot(full=False)))

    def test_chat_streams_and_equals_the_api(self):
        ask = "Tell me a short story about a shy otter."
        body = {"messages": [{"role": "user", "content": ask}], "temperature": 0, "max_tokens": 200}
        expected = fetch(self.server.url + "/v1/chat/completions", method="POST", body=body)
        self.js("document.getElementById('settings-open').click()")
        for name in ("temperature", "max_tokens"):
            self.js("const n = document.getElementById(arguments[0]); n.value = arguments[1];"
                    "for (const kind of ['input', 'change']) n.dispatchEvent(new Event(kind, {bubbles: true}))",
                    f"set-{name}", str(body[name]))
        self.js("document.querySelector('#settings button.primary').click()")
        # The page notes how long the answer was whenever it changed.
        self.js("window.wrappedJSObject.seen = new window.wrappedJSObject.Set();"
                "new MutationObserver(() => { const n = document.querySelector('.message.assistant .body');"
                " if (n) window.wrappedJSObject.seen.add(n.innerText.length); })"
                ".observe(document.getElementById('thread'), {childList: true, subtree: true, characterData: true})")
        self.browser.find_element(By.ID, "input").send_keys(ask, Keys.ENTER)
        self.until(lambda: self.text(".message.assistant .facts"))
        self.until(lambda: not self.js("return document.querySelector('.message.busy') !== null"))
        wanted = expected["choices"][0]["message"]["content"]
        self.assertEqual(self.text(".message.assistant .body").split(), wanted.split())
        self.assertGreater(self.js("return window.wrappedJSObject.seen.size"), 3, "the answer came in pieces")
        self.shot("chat-light")
        self.theme("dark")
        self.shot("chat-dark")

    def test_engine_draws_under_load(self):
        self.open("engine")
        self.until(lambda: "Running" in self.text("#tiles"))
        load = subprocess.Popen([self.binary, "bench", "serve", "--url", self.server.url, "--requests", "200", "--concurrency", "32",
                                 "--input-tokens", "160", "--shared-prefix-tokens", "64", "--output-tokens", "120"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.until(lambda: self.js("return document.querySelectorAll('#request-rows tr').length") > 20)
            self.until(lambda: self.js("return document.querySelectorAll('#tree rect').length") > 3)
            self.until(lambda: all(colours >= 3 for colours in self.js(COLOURS)))
            self.assertIn("in all", self.text("#pools"))
            self.shot("engine-light")
            self.theme("dark")
            time.sleep(0.5)
            self.shot("engine-dark")
        finally:
            load.terminate()
            load.wait()
        self.until(lambda: fetch(self.server.url + "/v1/engine/live")["requests_total"] == 0)

    def test_keys_reach_everything_on_the_chat(self):
        """Each control that can be seen gets the focus by Tab."""
        wanted = set(self.js("const all = [...document.querySelectorAll('*')];"
                             "return all.filter(n => n.matches('button, input, textarea, select, a[href], summary')"
                             " && n.checkVisibility({visibilityProperty: true}) && !n.disabled && n.tabIndex >= 0"
                             " && !n.closest('dialog')).map(n => all.indexOf(n))"))
        self.assertGreater(len(wanted), 8)
        self.js("document.activeElement.blur()")
        reached = set()
        for _ in range(len(wanted) + 5):
            ActionSequence(self.browser, "key", "keyboard").key_down(Keys.TAB).key_up(Keys.TAB).perform()
            reached.add(self.js("return [...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        self.assertEqual(wanted - reached, set())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--shots", help="folder for screenshots")
    arguments, rest = parser.parse_known_args()
    FirefoxTest.binary = str(pathlib.Path(arguments.binary).resolve())
    FirefoxTest.shots = arguments.shots
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)
