"""Evidently's page is small, leads back, and shares its code with the pages of all runs; a browser opens it."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tasks.report.drift_page import finish_page, library, store_shared
from tasks.report.evidently_report import report_drift
from tasks.storage.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def drift_page() -> tuple[str, dict[str, str]]:
    frame = pd.DataFrame({"y": [float(number % 7) for number in range(200)]})
    return finish_page(report_drift(frame[:50], frame[50:], {"y": 0.1}, 0.3)[2], "shop", "as of 2024-02-06")


def test_script_and_style_are_stored_once_for_all_pages(store: Store) -> None:
    page, shared = drift_page()
    script, style = store_shared(shared, store)
    assert store.get_bytes(script).decode() == library()
    assert "@font-face" in store.get_bytes(style).decode()
    assert f'<script src="../../assets/{script.digest}.js"></script>' in page
    assert f'<link rel="stylesheet" href="../../assets/{style.digest}.css">' in page
    assert len(page) < 50_000
    assert store_shared(drift_page()[1], store) == (script, style)
    assert sorted(store.list_files("reports")) == sorted([script.uri, style.uri])


def test_page_has_a_title_and_a_way_back() -> None:
    page, _ = finish_page("<head></head><body></body>", "shop", "<b>")
    assert "<title>Drift · shop · &lt;b&gt;</title>" in page
    assert '<body><p style="margin:16px 24px;font:15px system-ui,sans-serif"><a href="index.html">' in page


def test_data_of_drawings_are_short_and_stay_inside_their_script() -> None:
    page, _ = finish_page('var metric_0 = {"x": [0.123456789, "</script>"], "template": {"a": 1}};', "shop", "")
    assert page == 'var metric_0 = {"x":[0.12346,"<\\/script>"]};'


def test_page_without_the_script_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finish_page("<script>var a</script>", "shop", "") == ("<script>var a</script>", {})
    monkeypatch.setattr("tasks.report.drift_page.library", lambda: "")  # a release that keeps it elsewhere
    assert finish_page("<script></script>", "shop", "") == ("<script></script>", {})


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
def test_browser_draws_the_page_from_disk(store: Store) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page, shared = drift_page()
    store.put_at(page.encode(), "page", "reports/pipeline=shop/r1/drift.html")
    store_shared(shared, store)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        shown = context.new_page()
        shown.goto((Path(store.root) / "reports/pipeline=shop/r1/drift.html").as_uri())
        shown.get_by_text("Dataset Drift").first.wait_for(timeout=30_000)
        browser.close()
