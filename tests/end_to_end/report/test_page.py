# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the fleet report in a real browser, used by keyboard, in both themes, on a desk, a phone and paper."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_page import render
from ansible_collections.ocore.cloud.plugins.plugin_utils._fleet_report import fleet_report
from conftest import ROOT, SERVERS, fleet
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
OUTPUT = ROOT / "tests/output"
TEMPLATE = str(ROOT / "roles/fleet_report/templates/report.html.j2")
NOW = "2026-11-23T09:30:00Z"
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="the page is not tested: chromium or chromedriver is not on the path (Debian: chromium chromium-driver)",
)


class Page:
    """The report of one fleet in the browser, with what a person does to it."""

    def __init__(self, driver: webdriver.Chrome, path: Path, model: dict[str, Any]) -> None:
        self.driver = driver
        self.path = path
        self.model = model

    def open(self, width: int = 1280, height: int = 1200, theme: str = "light") -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.driver.get(self.path.as_uri())
        self.driver.get_log("performance")

    def cdp(self, command: str, **parameters: Any) -> dict[str, Any]:
        return dict(self.driver.execute_cdp_cmd(command, parameters))

    def js(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def shown(self) -> list[str]:
        """Give the names of the rows that are shown, from top to bottom."""
        return list(
            self.js(
                "return [...document.querySelectorAll('#fleet > tbody > tr:not([hidden]) .name')].map(e => e.textContent)"
            )
        )

    def focused(self) -> str:
        return str(self.js("return (document.activeElement.innerText || document.activeElement.id || '').trim()"))

    def tab_to(self, test: Callable[[Page], bool]) -> None:
        """Press the tab key until the focus is where ``test`` wants it."""
        for _press in range(400):
            if test(self):
                return
            self.press(Keys.TAB)
        raise AssertionError("the keyboard does not get there")

    def press(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)

    def save(self, name: str) -> None:
        OUTPUT.mkdir(exist_ok=True)
        (OUTPUT / name).write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot")["data"]))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: webdriver.Chrome, tmp_path: Path) -> Callable[..., Page]:
    def make(records: list[dict[str, Any]], previous: list[dict[str, Any]] | None = None) -> Page:
        last = previous and json.dumps(fleet_report(previous, organization="acme", now="2026-11-21T08:00:00Z"))
        model = fleet_report(records, last, servers=SERVERS, organization="acme", now=NOW)
        path = tmp_path / "fleet-report.html"
        path.write_text(render(model, TEMPLATE), encoding="utf-8")
        return Page(driver, path, model)

    return make


@pytest.fixture
def usual(page: Callable[..., Page]) -> Page:
    opened = page(fleet(48), fleet(47, shift=1))
    opened.open()
    return opened


def test_headers_sort_by_keyboard_and_say_so(usual: Page) -> None:
    begin = usual.shown()
    usual.tab_to(lambda p: p.focused() == "Instance")
    usual.press(Keys.ENTER)
    ascending = usual.shown()
    assert ascending == sorted(ascending, key=lambda name: (name.rsplit(" ", 1)[0], int(name.rsplit(" ", 1)[1])))
    assert ascending != begin
    usual.press(Keys.SPACE)
    assert usual.shown() == ascending[::-1]
    assert usual.js("return [...document.querySelectorAll('[aria-sort]')].map(e => [e.innerText, e.ariaSort])") == [
        ["Instance", "descending"]
    ]
    usual.tab_to(lambda p: p.focused() == "Attention")
    usual.press(Keys.ENTER)
    assert usual.shown() == begin


@pytest.mark.parametrize(("header", "key"), [("Health", "score"), ("Certificate", "days"), ("Restarts", "restarts")])
def test_numbers_sort_as_numbers_and_unknown_stays_last(usual: Page, header: str, key: str) -> None:
    usual.tab_to(lambda p: p.focused() == header)
    for sign in (1, -1):
        usual.press(Keys.ENTER)
        values = usual.js(
            f"return [...document.querySelectorAll('#fleet > tbody > tr')].map(e => e.getAttribute('data-v-{key}'))"
        )
        known = [float(value) for value in values if value]
        assert known == sorted(known, reverse=sign < 0)
        assert "" not in values[: len(known)]


def test_search_and_filters_work_by_keyboard_and_are_announced(usual: Page) -> None:
    usual.tab_to(lambda p: p.focused() == "q")
    usual.press("gent PRESS")
    assert usual.shown() == [name for name in usual.shown() if "Gent" in name and "Press" in name] != []
    status = usual.driver.find_element("id", "shown")
    assert (status.aria_role, status.text) == ("status", f"{len(usual.shown())} of 48 shown")
    usual.press(" nothing like it")
    assert usual.shown() == []
    assert usual.driver.find_element("id", "nothing").is_displayed()
    usual.press(Keys.TAB)
    assert usual.focused() == "Clear"
    usual.press(Keys.ENTER)
    assert len(usual.shown()) == 48
    usual.tab_to(lambda p: p.js("return document.activeElement.id") == "f-phase")
    usual.press("Fai")
    assert {row["status"] for row in fleet(48) if row["name"] in usual.shown()} == {"failed"}
    assert status.text == "2 of 48 shown"


def test_search_finds_domains_and_messages(usual: Page) -> None:
    for words in ("gent-timber-31.example.com", "timber memory"):
        usual.driver.find_element("id", "q").clear()
        usual.driver.find_element("id", "q").send_keys(words)
        assert usual.shown() == ["Gent Timber 31"]


def test_counts_filter_and_attention_leads_to_the_row(usual: Page) -> None:
    usual.tab_to(lambda p: p.focused() == "Stopped")
    usual.press(Keys.ENTER)
    assert {row["status"] for row in fleet(48) if row["name"] in usual.shown()} == {"stopped"}
    first = usual.driver.find_element("css selector", ".findings a")
    name = first.text
    first.send_keys(Keys.ENTER)
    assert usual.js("return document.activeElement.querySelector('.name').textContent") == name
    assert usual.js("return document.activeElement.querySelector('details').open")
    assert len(usual.shown()) == 48


def test_every_count_in_a_card_filters_the_table(usual: Page) -> None:
    links = usual.driver.find_elements("css selector", ".bars a")
    assert len(links) == sum(
        int(b) > 0 for b in usual.js("return [...document.querySelectorAll('.bars b')].map(e => e.innerText)")
    )
    for link in links:
        field, value = link.get_attribute("data-field"), link.get_attribute("data-value")
        link.send_keys(Keys.ENTER)
        shown = usual.driver.find_elements("css selector", "#fleet > tbody > tr:not([hidden])")
        assert all(value in str(row.get_attribute(f"data-{field}")) for row in shown)
        counted = int(usual.js("return arguments[0].closest('li').querySelector('b').innerText", link))
        # A card counts certificates, of which an instance has several.
        assert 0 < len(shown) <= counted if field == "certificate" else len(shown) == counted


def test_server_filters_the_table(usual: Page) -> None:
    link = usual.driver.find_element("link text", "odoo-b.example.com")
    link.send_keys(Keys.ENTER)
    (server,) = [server for server in usual.model["servers"] if server["name"] == "odoo-b.example.com"]
    names = [i["name"] for i in usual.model["instances"] if i["key"] in server["instances"]]
    assert sorted(usual.shown()) == sorted(names)


def test_domains_are_links_in_a_row_and_inside_it(usual: Page) -> None:
    row = usual.driver.find_element("css selector", "#fleet > tbody > tr")
    links = row.find_elements("css selector", "a[href^='https:']")
    assert {link.get_attribute("href") for link in links} == {
        f"https://{certificate['domain']}/" for certificate in usual.model["instances"][0]["certificates"]
    }
    shown = [link.is_displayed() for link in links]
    usual.js("arguments[0].querySelector('details').open = true", row)
    assert [link.is_displayed() for link in links] == [not before for before in shown]
    assert shown.count(True) == 1


def test_theme_follows_the_system_until_it_is_chosen(usual: Page) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = usual.js(ground)
    usual.open(theme="dark")
    dark = usual.js(ground)
    assert light != dark
    usual.driver.find_element("id", "theme").send_keys(Keys.ENTER)
    assert usual.js(ground) == light
    usual.open(theme="dark")
    assert (usual.js(ground), usual.driver.find_element("id", "theme").text) == (light, "Theme: light")
    usual.js("localStorage.clear()")


HOSTILE = {
    "script": "</script><script>window.hacked = 1</script><img src=http://192.0.2.1/x onerror='window.hacked = 1'>",
    "quotes": '"\' onmouseover="window.hacked = 1" x=\'`${window.hacked = 1}`',
    "template": "{{ 7 * 7 }}{% raw %}",
    "direction": "\u202egnirts \u2066x\u200f مرحبا",
    "long": "n" * 5000,
    "words": "lorem ipsum " * 400,
    "control": "a\x00\x1b[31m\ud800b",
}


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_names_are_only_text(page: Callable[..., Page], width: int) -> None:
    fields = ("name", "slug", "server_id", "status", "status_message", "odoo_version", "odoo_edition")
    records = [
        {**record, **dict.fromkeys(fields, text), "domains": [{"domain": text, "ssl_expires_at": "2026-11-20"}]}
        for record, text in zip(fleet(len(HOSTILE)), HOSTILE.values(), strict=True)
    ]
    records.append({**fleet(8)[7], "name": "Neighbour", "status": "running"})
    opened = page(records, fleet(3))
    opened.open(width)
    opened.js("document.querySelectorAll('details').forEach(e => e.open = true)")
    opened.js("document.querySelectorAll('*').forEach(e => e.dispatchEvent(new Event('mouseover')))")
    assert opened.js("return window.hacked") is None
    assert opened.js("return [document.scripts.length, document.images.length]") == [1, 0]
    wide = (
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility())"
    )
    assert opened.js(f"{wide}.map(e => e.outerHTML.slice(0, 120)).slice(0, 5)") == []
    assert opened.js("return document.documentElement.scrollWidth") <= width
    shown = opened.shown()
    assert HOSTILE["script"] in shown
    assert HOSTILE["template"] in shown
    assert HOSTILE["long"] in shown
    assert opened.js("return document.querySelector('#fleet > tbody > tr > th .name').closest('bdi') !== null")
    opened.js("document.querySelectorAll('details').forEach(e => e.open = false)")
    heights = opened.js("return [...document.querySelectorAll('#fleet > tbody > tr')].map(e => e.offsetHeight)")
    assert max(heights) < 320


def test_no_request_is_made_and_nothing_is_complained_about(page: Callable[..., Page]) -> None:
    opened = page(fleet(30), fleet(29, shift=2))
    opened.driver.get_log("browser")
    opened.driver.get_log("performance")
    opened.driver.get(opened.path.as_uri())
    opened.driver.find_element("id", "q").send_keys("gent")
    events = [json.loads(entry["message"])["message"] for entry in opened.driver.get_log("performance")]
    requests = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert requests == {opened.path.as_uri()}
    assert opened.driver.get_log("browser") == []


def test_policy_refuses_what_is_not_the_pages_own(usual: Page) -> None:
    usual.js("const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s)")
    usual.js("document.body.insertAdjacentHTML('beforeend', '<p id=styled style=\"color: red\">x</p>')")
    failed = usual.driver.execute_async_script(
        "fetch('http://127.0.0.1:9/').then(() => arguments[0](0), e => arguments[0](String(e)))"
    )
    assert usual.js("return window.hacked") is None
    assert usual.js("return document.getElementById('styled').style.color") == ""
    assert "TypeError" in failed
    assert any("connect-src" in entry["message"] for entry in usual.driver.get_log("browser"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(usual: Page, theme: str, width: int) -> None:
    usual.open(width, theme=theme)
    usual.js("document.querySelectorAll('#fleet > tbody > tr:nth-child(2) details, .more').forEach(e => e.open = true)")
    usual.cdp("Runtime.evaluate", expression=AXE)
    found = usual.cdp(
        "Runtime.evaluate",
        expression="axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.help, v.nodes[0].html.slice(0, 300)])))",
        awaitPromise=True,
    )
    assert json.loads(found["result"]["value"]) == []


def test_landmarks_and_headings_have_names(usual: Page) -> None:
    tree = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in usual.cdp("Accessibility.getFullAXTree")["nodes"]
        if not node.get("ignored")
    ]
    roles = [role for role, _name in tree]
    assert [roles.count(role) for role in ("banner", "main", "contentinfo", "search")] == [1, 1, 1, 1]
    assert ("search", "Instances") in tree
    assert ("table", "All instances. The headers sort.") in tree
    assert {name.split(" ")[0] for role, name in tree if role == "region"} >= {
        "At",
        "Needs",
        "Changes",
        "All",
        "Certificates",
    }
    assert all(
        name for role, name in tree if role in ("button", "link", "searchbox", "combobox", "heading", "columnheader")
    )


def test_thousand_instances_stay_usable(page: Callable[..., Page]) -> None:
    opened = page(fleet(1000), fleet(990, shift=1))
    assert opened.path.stat().st_size < 5_000_000
    opened.open()
    assert len(opened.shown()) == 1000
    opened.driver.find_element("id", "q").send_keys("kiel 19.0")
    found = opened.shown()
    assert 0 < len(found) < 100
    assert all(name.startswith("Kiel") for name in found)
    header = opened.driver.find_element("css selector", "[data-sort=name] button")
    header.send_keys(Keys.ENTER)
    assert [int(name.rsplit(" ", 1)[1]) for name in opened.shown() if "Works" in name] == sorted(
        int(name.rsplit(" ", 1)[1]) for name in found if "Works" in name
    )
    opened.driver.find_element("css selector", "button[type=reset]").send_keys(Keys.ENTER)
    assert len(opened.shown()) == 1000
    items = "document.querySelectorAll('.findings > li:not(:has(ul)), .findings ul > li')"
    assert opened.js(f"return {items}.length") == sum(len(i["reasons"]) for i in opened.model["instances"]) > 1000
    assert opened.js(f"return [...{items}].filter(e => e.checkVisibility()).length") < 120


def test_empty_report_says_one_clear_sentence(page: Callable[..., Page]) -> None:
    opened = page([])
    opened.open()
    assert opened.driver.find_element("css selector", ".headline").text == "There are no instances."
    assert opened.driver.get_log("browser") == []


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_cut_off_at_the_side(usual: Page, width: int) -> None:
    usual.open(width)
    usual.js("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert usual.js("return document.documentElement.scrollWidth") <= width


def test_page_without_scripts_shows_all(page: Callable[..., Page]) -> None:
    opened = page(fleet(20))
    opened.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened.driver.get(opened.path.as_uri())
        assert len(opened.driver.find_elements("css selector", "#fleet > tbody > tr")) == 20
        assert not opened.driver.find_element("id", "filters").is_displayed()
        assert not opened.driver.find_element("id", "theme").is_displayed()
    finally:
        opened.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_paper_has_all_rows_and_no_controls(usual: Page) -> None:
    usual.cdp("Emulation.setEmulatedMedia", media="print")
    assert not usual.driver.find_element("id", "filters").is_displayed()
    assert not usual.driver.find_element("id", "theme").is_displayed()
    assert usual.js("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pdf = base64.b64decode(usual.cdp("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert pdf.startswith(b"%PDF")
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "report.pdf").write_bytes(pdf)


def test_paper_unfolds_every_entry_and_the_screen_folds_them_again(usual: Page) -> None:
    folded = "return document.querySelectorAll('details.more:not([open])').length"
    before = usual.js(folded)
    assert before
    usual.js("dispatchEvent(new Event('beforeprint'))")
    assert usual.js(folded) == 0
    usual.js("dispatchEvent(new Event('afterprint'))")
    assert usual.js(folded) == before


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("desk", 1280), ("phone", 390)])
def test_screenshots_are_kept(usual: Page, device: str, width: int, theme: str) -> None:
    usual.open(width, theme=theme)
    usual.save(f"report-{device}-{theme}.png")
    assert (OUTPUT / f"report-{device}-{theme}.png").stat().st_size > 10_000
