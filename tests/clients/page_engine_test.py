"""The engine's pictures against what the server says of itself under a known load."""
import contextlib
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

from page_driver import PageCase, Quire, World, fetch, metrics
from selenium.webdriver.common.by import By


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

    def ask(self, url, name, prompt, tokens, answers):
        body = {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "receipt": True, "temperature": 0}
        answers[name] = fetch(url + "/v1/completions", method="POST", body=body, name=name)

    def test_pictures_tell_the_truth(self):
        """24 requests with a common beginning, more than the pages hold, with guesses: when all have ended, what the page
        shows must be what /metrics, /v1/cache/stats and the answers' receipts say."""
        self.size(1280, 2600)
        with Quire(self.binary) as server:
            url, answers = server.url, {}
            self.open(url, "engine")
            self.until(lambda: "Running" in self.id("tiles").text)
            common = "The engine keeps pages of keys and values for every text that it reads. " * 5
            crowd = [threading.Thread(target=self.ask, args=(url, f"truth-{i}", common + f"Number {i} goes on alone.", 260, answers))
                     for i in range(24)]
            for thread in crowd:
                thread.start()
            self.until(lambda: "truth-" in self.id("request-rows").text)
            self.until(lambda: any("paused" in row.text for row in self.all("#request-rows .state")))
            self.until(lambda: self.all("#request-rows .t-back"))
            self.until(lambda: self.js("return [...document.querySelectorAll('#tree text.inside')].some(n => /shared by/.test(n.textContent))"))
            for thread in crowd:
                thread.join()
            self.until(lambda: fetch(url + "/v1/engine/live")["requests_total"] == 0)
            steps = fetch(url + "/v1/engine/live")["counters"]["steps"]
            self.until(lambda: self.all("#tiles dd")[0].text.startswith("0"))
            time.sleep(0.6)
            self.compare_counts(url)
            self.compare_map(url)
            self.compare_rows(answers)
            self.assertEqual(fetch(url + "/v1/engine/live")["counters"]["steps"], steps)

    def compare_counts(self, url):
        samples = metrics(url)
        total = lambda name: sum(value for key, value in samples.items() if key.split("{")[0] == name)
        numbers = lambda text: [int(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?![\d.,]* ?%)", text)]
        stats = fetch(url + "/v1/cache/stats")
        pauses = total("vllm:num_preemptions_total")
        self.assertGreater(pauses, 0, "the load was meant to need more pages than there are")
        self.assertIn(f"Paused since the start: {pauses:,.0f} times", self.id("request-note").text)
        rows = {row.find_element(By.CSS_SELECTOR, "th").text: numbers(row.find_elements(By.CSS_SELECTOR, "td")[0].text)[0]
                for row in self.all("#hits tr")}
        self.assertEqual(rows["found"], total("vllm:prefix_cache_hits_total"))
        self.assertEqual(sum(rows.values()), total("vllm:prefix_cache_queries_total"))
        self.assertEqual(rows["never seen"], stats["miss_tokens"]["cold"])
        self.assertEqual(rows.get("evicted", 0), stats["miss_tokens"]["evicted"])
        pool = stats["pages"][0]
        facts = numbers(self.all("#pools .explain")[0].text)
        self.assertEqual([facts[0], facts[1]], [pool["total"], pool["referenced"]])
        self.assertIn(f"{pool['cached']:,} cached, {pool['free']:,} free", self.all("#pools .explain")[0].text)
        drafts = fetch(url + "/v1/engine/live")["drafts"]
        self.assertGreater(sum(drafts["proposed"]), 0)
        self.assertEqual(sum(drafts["proposed"]), total("vllm:spec_decode_num_draft_tokens_total"))
        self.assertEqual(sum(drafts["accepted"]), total("vllm:spec_decode_num_accepted_tokens_total"))
        shown = [meter.text.split() for meter in self.all("#drafts .meter")]
        self.assertEqual([int(words[-1].replace(",", "")) for words in shown], drafts["proposed"])
        for words, yes, all_ in zip(shown, drafts["accepted"], drafts["proposed"]):
            self.assertEqual(words[2], f"{100 * yes / all_:.0f}" if all_ else "0")

    def compare_map(self, url):
        """The colours of the squares, read from the picture itself."""
        runs = re.findall(r"([a-z])(\d+)", fetch(url + "/v1/engine/live")["cache"]["groups"][0]["map"])
        wanted = [letter for letter, count in runs for _ in range(int(count))]
        seen = self.js("""
          const names = {f: 'free', c: 'cached', r: 'p1', s: 'p2', t: 'p3', u: 'p4', v: 'p5', w: 'p6'};
          const style = getComputedStyle(document.documentElement), probe = document.createElement('canvas').getContext('2d');
          const rgb = name => { probe.fillStyle = style.getPropertyValue('--' + name).trim(); probe.fillRect(0, 0, 1, 1);
            return probe.getImageData(0, 0, 1, 1).data.join(); };
          const letters = Object.fromEntries(Object.entries(names).map(([letter, name]) => [rgb(name), letter]));
          const canvas = document.querySelector('#pools canvas'), context = canvas.getContext('2d'), cell = 11;
          const columns = Math.floor(canvas.clientWidth / cell), out = [];
          for (let i = 0; i < arguments[0]; i++) {
            const x = (i % columns) * cell + 4, y = Math.floor(i / columns) * cell + 4;
            out.push(letters[context.getImageData(x, y, 1, 1).data.join()] ?? '?');
          }
          return out;""", len(wanted))
        self.assertEqual("".join(seen), "".join(wanted))

    def compare_rows(self, answers):
        rows = {row.find_element(By.CSS_SELECTOR, ".who").text: row for row in self.all("#request-rows tr")}
        compared = 0
        for name, answer in answers.items():
            if name not in rows:
                continue  # ended before the window of the timeline
            text = lambda part: rows[name].find_element(By.CSS_SELECTOR, part).text
            usage = answer["usage"]
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            self.assertEqual(text(".prompt"), f"{usage['prompt_tokens']:,} ({cached:,})")
            self.assertEqual(text(".output"), f"{usage['completion_tokens']:,}")
            times = answer["receipt"].get("preemptions", 0)
            self.assertEqual(text(".state"), "ended: length" + (f", paused {times}\u00d7" if times else ""))
            compared += 1
        self.assertGreater(compared, 3)

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
