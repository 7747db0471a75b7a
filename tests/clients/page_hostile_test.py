"""What a hostile model, server or file says stays text, and cannot make the page slow.

How it knows: the answers are made up here, to the byte; window.owned would tell of any script that ran, the document's
own elements and attributes of any markup.
"""
import json
import pathlib
import time

from page_driver import PageCase, ScriptedServer, World

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
    "<math><mtext><script>window.owned=12</script></mtext></math><template><img src=x onerror=window.owned=13></template>",
    "<a href=\"data:text/html,<script>window.owned=14</script>\">x</a> <base href=//127.0.0.1:9/> <meta http-equiv=refresh content=0>",
    "[x](https://example.com/%22%3E%3Cscript%3E) <https://example.com/<script>window.owned=15</script>>",
    "**[a](javascript:window.owned=16)** ~~<object data=x>~~ *_`<embed>`_*",
    "> - > - [x](  javascript:window.owned=17 )\n>   1. <textarea autofocus onfocus=window.owned=18>",
    "a\u200bb\u2060c\ufeffd\U000e0041\U000e0042\u0000\u001b[31m owned",
    "| " + " | ".join("<b>" for _ in range(500)) + " |\n" + "|---" * 500 + "|\n" + "| x " * 5000,
]
# A megabyte or so of what makes naive readers of Markdown slow.
BOMBS = {
    "no breaks": "x" * 1_000_000, "stars": "*" * 1_000_000, "strong": "**a " * 250_000, "brackets": "[" * 1_000_000,
    "half links": "[a](" * 250_000, "ticks": "`a ``b " * 150_000, "addresses": ("https://" + "." * 1990 + "x ") * 500,
    "spaces": "a" + " " * 150_000 + "b", "heading": "# " + " " * 500_000 + "x", "signs": "# " + "#" * 500_000 + "x",
    "separator": "a|b\n-" + " " * 500_000 + "x", "table": "a|b\n-|-\n" + "a|b\n" * 200_000, "quotes": "> " * 10_000 + "deep",
    "lists": "- " * 10_000 + "deep", "nested": "\n".join(" " * min(i, 100) + "- x" for i in range(10_000)), "items": "- a\n" * 100_000,
    "fences": "```\n" * 100_000, "bidi": "a\u202e" * 200_000, "newlines": "\n" * 1_000_000, "lines": "a\n" * 300_000,
    "markup": "<b>" * 300_000, "unseen": "\u200b" * 300_000,
}


class HostileTest(PageCase):
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
            self.assertNotRegex(shown, "[\u0000-\u0008\u001b\u200b\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0041]")
            width = self.driver.execute_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, 1280, "a long line must not widen the page")

    def test_names_numbers_and_reasons_that_lie(self):
        server = ScriptedServer(self.url)
        evil = "<img src=x onerror=window.owned=20>\u202e"
        server.model["id"] = evil * 50
        self.open(server.url)
        call = {"index": 0, "id": evil, "function": {"name": evil, "arguments": '{"' + "<b>" * 9 + '": "' + "y" * 9000 + '"}'}}
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": evil}], "usage": {"prompt_tokens": evil, "completion_tokens": [1]},
                "timings": {"predicted_per_second": "fast"}}
        server.script = [[{"content": "fine"}, {"tool_calls": [call]}, last],
                         [{"content": 5}, {"content": ["x"]}, {"choices": None}, {"choices": []}, {"usage": None}, {"content": "still here"}],
                         [{"tool_calls": [{"index": 4_000_000_000, "function": {"name": "x"}}]}],
                         [{"choices": [{"delta": {"content": "p"}, "logprobs": {"content": [{"token": 7}, {"token": "t", "logprob": "x"}, None]}}]}],
                         (503, {"error": {"message": evil * 300}}), (500, {"error": 5}), [b"data: {broken\n\n"]]
        self.say("one")
        self.all(".call textarea")[0].send_keys("<b>")
        self.all(".call .give")[0].click()
        self.until(lambda: "still here" in self.answers())
        for word in ("index 4000000000", None, "onerror", "500", "no JSON"):
            self.id("new-chat").click()
            self.say("next")
            error = self.all(".message.assistant .error")[-1]
            self.assertIn(word, error.text) if word else self.assertFalse(error.is_displayed(), error.text)
        self.assertIsNone(self.js("return window.owned ?? null"))
        self.assertEqual(self.js("return document.querySelectorAll('#thread img, header img:not([alt=\"\"])').length"), 0)
        self.assertNotIn("\u202e", self.js("return document.body.textContent + document.title"))
        self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), 1280)

    def test_trusted_types_and_the_policy_are_in_force(self):
        self.expected_errors = ("Content Security Policy", "TrustedHTML", "Trusted Type", "trusted")
        for script in ("document.body.innerHTML = '<b>x</b>'", "document.body.insertAdjacentHTML('beforeend', '<i>')", "eval('1')",
                       "trustedTypes.createPolicy('x', {createHTML: s => s})", "document.createElement('script').text = 'window.owned=30'"):
            refused = self.js(f"try {{ {script}; return false; }} catch (error) {{ return true; }}")
            self.assertTrue(refused, script)
        self.js("const s = document.createElement('img'); s.src = 'http://127.0.0.2:9/beacon.png'; document.body.append(s);")
        done = self.driver.execute_async_script("fetch('http://127.0.0.2:9/').then(() => arguments[0]('sent'), () => arguments[0]('refused'))")
        self.assertEqual(done, "refused")
        self.driver.get_log("performance")  # the attempts of this test are no requests of the page

    def test_imports_of_hostile_files(self):
        deep = {"role": "user", "content": "x"}
        for _ in range(400):
            deep = {"role": "user", "content": "x", "fork": {"mine": 0, "tails": [None, [deep]]}}
        good = {"role": "user", "content": "<img src=x onerror=window.owned=40>", "extra": 1, "finish": 5,
                "pictures": ["javascript:window.owned=41", "data:text/html;base64,PHNjcmlwdD4=", "data:image/svg+xml;base64,PHN2Zz4="],
                "calls": [{"id": 1}, None, "x"], "facts": {"__proto__": 1, "tokens_per_second": "1", "prompt_tokens": -5}}
        files = {
            "nothing.json": "{}", "null.json": "null", "number.json": "5", "list.json": "[1, null, [], {\"messages\": 5}]",
            "nested.json": "[" * 200_000, "cut.json": '{"conversations": [{"messages": [{"role": "us', "empty.md": "", "noise.md": "\x00\x01" * 1000,
        }
        target = pathlib.Path(World.folder)
        for name, text in files.items():
            (target / name).write_text(text)
            self.id("import-file").send_keys(str(target / name))
            self.until(lambda: f"{name} holds no conversation" in self.id("notice").text)
        hostile = {"conversations": [{"title": "<b>t</b>" + "y" * 5000, "id": {"a": 1}, "settings": {
            "sampling": {"__proto__": "x", "temperature": {"a": 1}, "top_p": "0.5", "evil": "1"}, "form": "evil", "tools": 5, "system": None},
            "messages": [good, {"role": "root", "content": "x"}, None, 7, deep, {"role": "assistant", "content": {"toString": "x"}}]}]}
        (target / "hostile.json").write_text(json.dumps(hostile))
        self.id("import-file").send_keys(str(target / "hostile.json"))
        self.until(lambda: self.all(".message"))
        self.assertEqual(len(self.all(".message")), 3)
        self.assertEqual(self.js("return document.querySelectorAll('#thread img').length"), 0)
        kept = json.loads(self.js("return localStorage.getItem('quire.conversations')"))[0]
        self.assertEqual(kept["settings"]["sampling"], {"top_p": "0.5"})
        self.assertEqual((kept["settings"]["form"], kept["messages"][0]["facts"], kept["messages"][0]["pictures"]), ("", {}, []))
        self.assertIsNone(self.js("return window.owned ?? null"))
        self.assertEqual(self.js("return ({}).evil ?? null"), None)

    def test_growing_answers_look_as_whole_ones(self):
        """Any way of cutting a text into deltas must end in the same document."""
        texts = [text for text in HOSTILE if len(text) < 1000] + [
            "# A\n\ntext **b**\n- one\n- two\n\n  more\n- three\n\n1. x\n2. y\n\nend", "a|b\n-|-\n1|2\n3|4\n\nafter", "- a\n\n1. b\n\n\tc",
            "```py\na\n```\nb\n````\n```\n````\n", "> q\n> ```\n> c\n> ```\n\nz  \nbreak\\\nagain", "p\n***both*** _x_ `c`\n\n---\np2\n===\n"]
        script = """
          const [text, done] = arguments;
          import('/page/markdown.js').then(({ update }) => {
            const whole = document.createElement('div'), wrong = [];
            update(whole, text);
            for (const size of [1, 2, 3, 7, 50]) {
              const grown = document.createElement('div');
              for (let i = 0; i < text.length; i += size) update(grown, text.slice(0, i + size));
              if (!whole.isEqualNode(grown)) wrong.push([size, whole.outerHTML, grown.outerHTML]);
            }
            done(wrong);
          });"""
        for text in texts:
            self.assertEqual(self.driver.execute_async_script(script, text), [], text)

    def test_no_text_stops_the_reader(self):
        self.driver.set_script_timeout(60)
        script = """
          const [text, done] = arguments;
          import('/page/markdown.js').then(({ update }) => {
            const box = document.createElement('div'), times = [];
            for (const end of [0.5, 0.9, 1]) {
              const began = performance.now();
              update(box, text.slice(0, text.length * end));
              times.push(performance.now() - began);
            }
            done([Math.max(...times), box.getElementsByTagName('*').length]);
          });"""
        for name, text in BOMBS.items():
            worst, elements = self.driver.execute_async_script(script, text)
            self.assertLess(worst, 5000, f"{name}: {worst:.0f} ms")
            self.assertLess(elements, 60_000, name)

    def test_long_answers_stay_smooth(self):
        """9,000 tokens at once, then 200 a second: the time between frames is that of the page's work."""
        words = "the engine reads pages of keys and values while it writes another token".split()
        prose = [words[i % len(words)] + " " for i in range(10_000)]
        kinds = {"paragraph": prose, "list": [("\n- " if i % 12 == 0 else "") + part for i, part in enumerate(prose)],
                 "code": ["```py\n"] + [part + ("\n" if i % 7 == 6 else "") for i, part in enumerate(prose)],
                 "markdown": [part + ("\n\n" if i % 80 == 79 else "**b** `c` " if i % 17 == 0 else "") for i, part in enumerate(prose)]}
        server = ScriptedServer(self.url)
        for name, parts in kinds.items():
            self.open(server.url)
            tail = [item for i in range(9000, 9800, 10) for item in (*({"content": part} for part in parts[i:i + 10]), 0.05)]
            server.script = [[{"content": "".join(parts[:9000])}, 1.0, *tail]]
            self.say("x", wait=False)
            self.until(lambda: len(self.all(".message.assistant .body")) and len(self.answers()[0]) > 1000)
            self.js("window.gaps = []; let last = performance.now(); const f = t => { gaps.push(t - last); last = t; requestAnimationFrame(f); };"
                    "requestAnimationFrame(f)")
            self.until(self.idle, 120)
            gaps = sorted(self.js("return gaps"))
            typical, slow = gaps[len(gaps) // 2], gaps[int(0.9 * len(gaps))]
            print(f"  {name}: {len(gaps)} frames, median {typical:.0f} ms, 90 % within {slow:.0f} ms")
            self.assertLess(slow, 120, name)
