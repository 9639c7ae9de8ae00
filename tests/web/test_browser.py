"""What a real browser makes of the page, with its script and without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.web.browser import CHROMIUM, tab
from tests.web.samples import STATES
from tests.web.shop_window import window

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("FOOTFALL_REQUIRE_ALL"), reason="no chromium here (apt install chromium)"
)

WELL = 'aria-live="polite">Working</p>'
ILL = 'aria-live="polite">1 camera needs attention</p>'


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_browser_shows_the_verdict(tmp_path: Path, script):
    """The same words with JavaScript on and off."""
    async with window(STATES["silent"]) as shop, tab(tmp_path) as browser:
        await browser.tell("Emulation.setScriptExecutionDisabled", value=not script)
        await browser.tell("Page.navigate", url=shop.url)
        document = await browser.until(ILL, "</footer>")

    assert "Car park does not answer" in document
    assert "<title>1 camera needs attention – Lisboa Chiado</title>" in document  # noqa: RUF001 - as the title has it


async def test_the_browser_follows(tmp_path: Path):
    """A page that is open tells what happens, without being loaded again: it goes, and it comes back."""
    async with window() as shop, tab(tmp_path) as browser:
        await browser.tell("Page.navigate", url=shop.url)
        await browser.until(WELL)
        await browser.tell("Runtime.evaluate", expression="document.body.dataset.same = 'page'")
        shop.show(STATES["silent"])
        ill = await browser.until(ILL, 'id="verdict" class="warn"', "Car park does not answer")
        shop.show(STATES["working"])
        well = await browser.until(WELL, 'id="verdict" class="good"')

    assert 'data-same="page"' in ill
    assert 'data-same="page"' in well
    assert "Car park does not answer" not in well


async def test_the_browser_admits_that_the_agent_is_gone(tmp_path: Path):
    """A page never goes on saying "Working" for an agent that no longer answers."""
    async with tab(tmp_path) as browser:
        async with window() as shop:
            await browser.tell("Page.navigate", url=shop.url)
            await browser.until(WELL)
            await browser.loaded()
        # Fifteen seconds of silence, without waiting for them.
        await browser.tell("Runtime.evaluate", expression="const now = Date.now; Date.now = () => now() + 20000")
        await browser.until('aria-live="polite">This device does not answer</p>', 'id="verdict" class="bad"')


async def test_the_browser_has_nothing_to_complain_about(tmp_path: Path):
    """Style and script pass the page's own policy, nothing is missing, and 320 pixels are wide enough."""
    async with window(STATES["refused"]) as shop, tab(tmp_path) as browser:
        await browser.tell("Log.enable")
        await browser.tell("Runtime.enable")
        size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        await browser.tell("Emulation.setDeviceMetricsOverride", **size)
        await browser.tell("Page.navigate", url=shop.url)
        await browser.until("3 cameras need attention")
        shop.show(STATES["silent"])
        await browser.until(ILL)
        styled = "getComputedStyle(document.getElementById('verdict')).position"
        wide = "document.documentElement.scrollWidth - innerWidth"
        found = [await browser.tell("Runtime.evaluate", expression=text) for text in (styled, wide)]

    assert browser.complaints == []
    assert [one["result"]["value"] for one in found] == ["sticky", 0]
