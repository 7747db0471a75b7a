"""The engine's pictures against what the server says of itself under a known load."""
import contextlib
import json
import pathlib
import subprocess
import threading
import time
import urllib.error
import urllib.request

from page_driver import PageCase, Quire, World, fetch, metrics


class EngineTest(PageCase):
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

    def test_zz_screenshots(self):
        if not World.shots:
            self.skipTest("no --shots FOLDER")
        folder = pathlib.Path(World.shots)
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
