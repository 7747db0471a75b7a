"""What a hostile model, server or file says stays text, and cannot make the page slow.

How it knows: the answers are made up here, to the byte; window.owned would tell of any script that ran, the document's
own elements and attributes of any markup.
"""
import time

from page_driver import PageCase, ScriptedServer

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
            self.assertNotRegex(shown, "[\u202a-\u202e\u2066-\u2069]")
            width = self.driver.execute_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, 1280, "a long line must not widen the page")
