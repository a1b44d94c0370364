"""The page of the service in a real browser: series, chart, observation, refusal; nothing from other hosts.

With NIGHTCAST_SCREENSHOTS=FOLDER each step is saved as screenshots: wide, on a phone, and in dark colours.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.deployments.api.conftest import NAMES

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MODES = {"wide": (1280, "light"), "phone": (390, "light"), "dark": (1280, "dark")}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture
def page():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def keep(page, name):
    folder = os.environ.get("NIGHTCAST_SCREENSHOTS")
    for mode, (width, colours) in MODES.items() if folder else ():
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours)
        page.screenshot(path=str(Path(folder) / f"{name}-{mode}.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), mode
    page.emulate_media(color_scheme="light")


def test_page_shows_a_series_and_follows_an_observation(twofold, serve, page, panel):
    server = serve(twofold).wait_ready()
    requests, messages = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(server.url)
    page.locator("#chart .median").wait_for(state="attached")
    keep(page, "1-first")
    page.locator("#series").fill("south")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/#south")
    assert page.locator("#chart .band").count() == 1
    assert page.locator("#chart .seen").count() >= 1
    assert page.locator("#chart .before").count() == 0
    before = page.locator("#chart .median").get_attribute("points")
    page.get_by_role("button", name="Fill in the median").click()
    assert page.locator("#y").input_value() != ""
    page.locator("#y").fill("19")
    page.locator("#known-planned").fill("30")
    page.get_by_role("button", name="Add observation").click()
    page.locator("#outcome").get_by_text("advanced").wait_for()
    refused = page.locator("#outcome").inner_text()
    keep(page, "2-observed")
    assert page.locator("#chart .before").count() == 1
    assert page.locator("#chart .median").get_attribute("points") != before, refused
    page.locator("#y").fill("2")  # without the covariate that is known in advance: no forecast, and the page says why
    page.get_by_role("button", name="Add observation").click()
    page.locator("#message.problem").get_by_text("has no values of planned for its horizon").wait_for()
    assert page.locator("#chart .seen").count() >= 1
    assert page.locator("#chart .before").count() == 1
    keep(page, "3-without-forecast")
    page.locator("#ds").fill("2024-02-08T05:30:00Z")
    page.locator("#y").fill("3")
    page.get_by_role("button", name="Add observation").click()
    page.locator("#outcome.problem").get_by_text("not a step of the frequency").wait_for()
    keep(page, "4-refused")
    page.locator("#series").fill("north")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/#north")
    page.locator("#table summary").click()
    assert page.locator("#table tbody tr").count() >= 20
    keep(page, "5-table")
    page.locator("#series").fill("nowhere")
    page.get_by_role("button", name="Show").click()
    page.locator("#message.problem").get_by_text("is not among the 2 known series").wait_for()
    assert [url for url in requests if not url.startswith(server.url)] == []
    assert [message for message in messages if "422" not in message and "404" not in message] == []
    answer = page.request.get(server.url)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert server.stop() == 0


def test_page_of_a_named_series_with_a_key(served, serve, page):
    server = serve(served, NIGHTCAST_SERVE_KEY="correct-horse-battery").wait_ready()
    page.goto(server.url)
    page.locator("#message.problem").get_by_text("needs the API key").wait_for()
    keep(page, "6-key")
    page.locator("#key").fill("correct-horse-battery")
    page.get_by_role("button", name="Use").click()
    page.locator("#chart .median").wait_for(state="attached")
    page.locator("#series").fill(NAMES["south"])
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("#Z%C3%BCrich"))  # waiting for a function needs eval, which the policy forbids
    page.reload()
    page.locator("#chart .median").wait_for(state="attached")
    assert page.locator("#series").input_value() == NAMES["south"]
    keep(page, "7-named")
