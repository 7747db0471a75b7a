"""The page for those who use a keyboard, a screen reader, a small screen or large letters."""
import pathlib
import time

from page_driver import PageCase, World
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
