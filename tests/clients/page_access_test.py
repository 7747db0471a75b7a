"""The page for those who use a keyboard, a screen reader, a small screen or large letters."""
import pathlib
import time

from page_driver import PageCase, ScriptedServer, World, fetch
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select


class AccessTest(PageCase):
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

    def states(self, theme):
        """The page in all the states that have parts of their own, one after the other."""
        server = ScriptedServer(self.url)
        self.open(server.url, "chat", theme)
        yield "empty chat"
        server.script = [[{"reasoning_content": "thoughts"}, {"content": "# Title\n\n- a [link](https://example.com)\n\n```py\ncode\n```\n\n"
                          "| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\n"}],
                         [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}],
                         (500, {"error": {"message": "it broke"}})]
        for text in ("one", "two", "three"):
            self.say(text)
        self.all("details.reasoning summary")[0].click()
        yield "answers of all kinds"
        self.id("settings-open").click()
        self.fill("set-form", "json_schema")
        yield "settings"
        self.all("#settings button.primary")[0].click()
        self.id("key-open").click()
        yield "key"
        self.id("key-input").send_keys(Keys.ESCAPE)
        self.open(self.url, "chat", theme)
        self.settings(max_tokens=6, logprobs=True)
        self.say("x")
        yield "token probabilities"
        self.open(self.url, "bench", theme)
        self.id("bench-compare").click()
        self.fill("bench-prompt", "Once")
        for side in (0, 1):
            self.fill(f"side-{side}-max_tokens", 6)
        self.id("bench-run").click()
        self.until(lambda: self.id("bench-result").text)
        yield "workbench"
        self.open(self.url, "engine", theme)
        self.until(lambda: "Running" in self.id("tiles").text)
        yield "engine"
        self.size(1500, 900)
        self.open(self.url, "both", theme)
        self.until(lambda: "Running" in self.id("tiles").text)
        yield "both"
        self.size(1280, 900)

    def test_axe_finds_nothing(self):
        if not World.axe:
            self.skipTest("no --axe axe.min.js")
        self.expected_errors = ("500",)
        source = pathlib.Path(World.axe).read_text(encoding="utf-8")
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        for theme in ("light", "dark"):
            for state in self.states(theme):
                self.js(source)
                found = self.driver.execute_async_script(
                    "const [tags, done] = arguments; axe.run({runOnly: tags}).then(r => done(r.violations.map(v =>"
                    " [v.id, v.nodes.slice(0, 4).map(n => n.html.slice(0, 160) + ' ' + n.failureSummary.slice(0, 200))])))", tags)
                self.assertEqual(found, [], f"{theme}: {state}")

    def test_by_keyboard_alone(self):
        press = lambda *keys: webdriver.ActionChains(self.driver).send_keys(*keys).perform()
        focused = lambda: self.driver.switch_to.active_element
        press(Keys.TAB)
        self.assertEqual(focused().get_attribute("id"), "skip")
        self.assertGreaterEqual(focused().rect["x"], 0, "the skip link shows when it has the focus")
        press(Keys.ENTER)
        self.assertEqual(focused().get_attribute("id"), "input")
        ring = self.js("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]")
        self.assertEqual(ring[0], "solid")
        self.assertGreaterEqual(ring[1], 2)
        press("hello", Keys.ENTER)
        self.until(lambda: self.all(".message.assistant") and self.idle())
        self.assertEqual(focused().get_attribute("id"), "input", "the focus stays where one writes")
        self.until(lambda: "Answer complete" in self.id("announce").get_attribute("textContent"))
        for _ in range(30):
            press(Keys.TAB)
            if focused().get_attribute("data-view") == "engine":
                break
        press(Keys.SPACE)
        self.assertTrue(self.id("tiles").is_displayed())

    def test_live_regions_do_not_spam(self):
        server = ScriptedServer(self.url)
        self.open(server.url)
        self.js("window.told = []; for (const n of document.querySelectorAll('[role=status], [role=alert], [aria-live=polite]'))"
                " new MutationObserver(() => told.push(n.textContent)).observe(n, {childList: true, characterData: true, subtree: true})")
        server.script = [[item for i in range(60) for item in ({"content": f"word{i} "}, 0.02)]]
        self.say("x")
        self.until(lambda: any("Answer complete" in text for text in self.js("return told")))
        self.assertLessEqual(len(self.js("return told")), 4, self.js("return told"))
        self.open(self.url, "engine")
        self.until(lambda: "Running" in self.id("tiles").text)
        self.js("window.told = []; for (const n of document.querySelectorAll('#engine [role=status], #engine [aria-live], #announce'))"
                " new MutationObserver(() => told.push(n.textContent)).observe(n, {childList: true, characterData: true, subtree: true})")
        fetch(self.url + "/v1/completions", method="POST", body={"prompt": "Once", "max_tokens": 200, "ignore_eos": True})
        time.sleep(1)
        self.assertEqual(self.js("return told"), [], "pictures change in silence")

    def test_large_letters_small_screens_and_no_motion(self):
        """WCAG 1.4.10: 320 pixels are 1280 at 400 %; nothing may need sideways scrolling."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
        for width in (320, 640):
            self.size(width, 512)
            for view in ("chat", "bench", "engine"):
                self.open(self.url, view)
                got = self.js("return document.documentElement.scrollWidth")
                self.assertLessEqual(got, width, f"{view} at {width}")
                small = self.js("return [...document.querySelectorAll('button, select, input[type=checkbox], input[type=radio]')].filter(n =>"
                                " n.checkVisibility() && n.getBoundingClientRect().height < 13).map(n => n.outerHTML.slice(0, 80))")
                self.assertEqual(small, [])
        moving = self.js("return document.getAnimations().length")
        self.assertEqual(moving, 0)
