"""Evidently's JavaScript is stored once for the pages of all runs, and a browser finds it there without network."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tasks.drift import detect_drift
from tasks.report.drift_page import library, refer_to_library, store_library
from tasks.storage.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def drift_page() -> str:
    frame = pd.DataFrame({"y": [float(number % 7) for number in range(200)]})
    return detect_drift(frame[:50], frame[50:], {"y": 0.1}, 0.3)[2]


def test_script_is_stored_once_for_all_pages(store: Store) -> None:
    first = drift_page()
    (script,) = store_library(first, store)
    assert len(first) < len(library()) / 4
    assert store.get_bytes(script).decode() == library()
    assert f'<script src="../../assets/{script.digest}.js"></script>' in first
    assert store_library(drift_page(), store) == (script,)
    assert store.list_files("reports") == [script.uri]


def test_page_without_the_script_stays_as_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refer_to_library("<script>var a</script>") == "<script>var a</script>"
    assert store_library("<script>var a</script>", store) == ()
    monkeypatch.setattr("tasks.report.drift_page.library", lambda: "")  # a release that keeps it elsewhere
    assert refer_to_library("<script></script>") == "<script></script>"
    assert store_library("<script></script>", store) == ()


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
def test_browser_draws_the_page_from_disk(store: Store) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page = drift_page()
    store.put_at(page.encode(), "page", "reports/pipeline=shop/r1/drift.html")
    store_library(page, store)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        shown = context.new_page()
        shown.goto((Path(store.root) / "reports/pipeline=shop/r1/drift.html").as_uri())
        shown.get_by_text("Dataset Drift").first.wait_for(timeout=30_000)
        browser.close()
