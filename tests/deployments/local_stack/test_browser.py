"""A first forecast started with *Run* in the Prefect UI, in a real browser, and the artifacts of the run.

With NIGHTCAST_SCREENSHOTS=FOLDER each step is saved as screenshots: wide, on a phone, and in dark colours.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.deployments.conftest import user_environment

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE_TIMEOUT_MS = 60_000
HEIGHT = 1400  # a form fits
MODES = {"wide": (1440, "light"), "phone": (390, "light"), "dark": (1440, "dark")}
MLFLOW_MODES = ("wide", "dark")  # the page of a run lays itself out without an end on a phone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": HEIGHT})
        page.set_default_timeout(PAGE_TIMEOUT_MS)
        yield page
        browser.close()


@pytest.fixture
def keep(page) -> Callable[..., None]:
    folder = os.environ.get("NIGHTCAST_SCREENSHOTS")

    def keep(name: str, *modes: str) -> None:
        for mode in modes or tuple(MODES) if folder else ():
            width, colours = MODES[mode]
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=colours)
            page.wait_for_timeout(1500)
            page.screenshot(path=str(Path(folder) / f"{name}-{mode}.png"), full_page=True)
        page.emulate_media(color_scheme="light")

    return keep


def test_run_started_by_the_form_completes_with_artifacts(up, page, keep):
    begun = datetime.now(UTC)
    page.goto(f"{up.ready['prefect']}/deployments")
    page.locator("input[type=password]").fill(up.key)  # once: the browser keeps it
    keep("0-login")
    page.get_by_role("button", name="Login", exact=True).click()
    row = page.locator("tr", has_text="nightly").filter(has_text="small")
    row.get_by_text("small", exact=True).first.click()
    page.wait_for_url("**/deployments/deployment/*")
    keep("2-deployment")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.wait_for_url("**/run**")

    page.get_by_role("button", name="small", exact=True).focus()
    page.keyboard.press("Space")
    page.locator(".p-select-option", has_text="twin").first.click()
    page.get_by_text("date-time", exact=True).click()
    page.get_by_text("Select date and time").click()
    picker = page.locator(".p-date-picker")
    picker.get_by_text("Now", exact=True).click()
    if picker.is_visible():
        picker.get_by_text("Apply", exact=True).click()
    page.get_by_text("int", exact=True).first.click()
    page.locator("input[type=number]").first.fill("1")
    keep("3-custom-run")
    with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run")) as made:
        page.get_by_role("button", name="Submit", exact=True).click()
    run = made.value.json()["id"]
    found = up.wait_for(run, "COMPLETED", "FAILED", "CRASHED")
    assert found["state"]["type"] == "COMPLETED"
    page.goto(f"{up.ready['prefect']}/runs")
    page.get_by_text(re.compile(r"^twin 20\d\d-")).first.click()
    page.wait_for_url(f"**/runs/flow-run/{run}**")
    page.get_by_text("Completed", exact=True).first.wait_for()
    keep("4-run")
    (vintage,) = (up.folder / "store/forecasts/pipeline=twin").iterdir()
    as_of = pd.Timestamp(vintage.name.removeprefix("vintage=").replace("Z", ""), tz="UTC").to_pydatetime()
    assert abs((as_of - begun).total_seconds()) < 600
    assert len(pd.read_parquet(vintage)) == 2 * 12

    page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).first.click()
    page.get_by_text("twin-outcome").first.wait_for()
    text = page.locator("body").inner_text().lower()
    for key in ("outcome", "leaderboard", "forecast", "page", "mlflow"):
        assert f"twin-{key}" in text
    keep("5-artifacts")
    page.get_by_text("twin-outcome").first.click()
    page.get_by_text("24 forecasts for 2 series").first.wait_for()
    keep("5-outcome")
    page.goto(f"{up.ready['prefect']}/deployments")
    page.get_by_text("backfill").first.wait_for()
    keep("1-deployments")


def test_plot_and_morning_page_open_from_their_links(up, page, keep):
    with up.client() as client:
        artifacts = client.post("/artifacts/latest/filter", json={}).json()
    data = {artifact["key"]: str(artifact["data"]) for artifact in artifacts}
    page.goto(data["twin-forecast"])
    assert page.locator("svg").first.is_visible()
    page.goto(data["twin-page"].partition("(")[2].rstrip(")"))
    assert page.get_by_text("twin").first.is_visible()
    keep("6-page")
    outside = page.evaluate(f"fetch('{up.api}/flows/filter', {{method: 'POST'}}).then(() => 'in', () => 'out')")
    assert outside == "out"  # a report page cannot reach the API on the same port


def test_mlflow_link_of_the_artifact_opens_the_run(up, page, keep):
    with up.client() as client:
        artifacts = client.post("/artifacts/latest/filter", json={}).json()
    link = (
        next(str(artifact["data"]) for artifact in artifacts if artifact["key"] == "twin-mlflow")
        .partition("(")[2]
        .rstrip(")")
    )
    page.goto(link)
    page.get_by_text("gru-8-s12").first.wait_for()
    keep("7-mlflow-run", *MLFLOW_MODES)


def test_prefect_command_line_starts_a_run(up):
    words = ("-m", "prefect", "deployment", "run", "nightly/small", "-p", "as_of=2024-01-29T03:00:00Z", "--watch")
    home, key = str(up.folder / "other-home"), up.key
    env = user_environment(up.folder, PREFECT_API_URL=up.api, PREFECT_API_AUTH_STRING=key, PREFECT_HOME=home)
    result = subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True, check=False, timeout=200)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (up.folder / "store/forecasts/pipeline=small/vintage=2024-01-29T030000Z/forecasts.parquet").exists()


def test_rest_api_starts_a_run_with_overrides(up):
    run = up.run("nightly/small", as_of="2024-01-28T03:00:00Z", overrides={"models": [{"cell": "rnn", "hidden": 4}]})
    found = up.wait_for(run, "COMPLETED", "FAILED", "CRASHED")
    assert (found["state"]["type"], found["name"]) == ("COMPLETED", "small 2024-01-28 03:00")
    table = pd.read_parquet(up.folder / "store/forecasts/pipeline=small/vintage=2024-01-28T030000Z")
    assert len(table) == 2 * 12
    with up.client() as client:
        lines = client.post("/logs/filter", json={"logs": {"flow_run_id": {"any_": [run]}}}).json()
    assert any("train" in line["message"] and "rnn-4" in line["message"] for line in lines)


def test_mlflow_opens_on_experiments_without_a_notice(up, page, keep):
    page.goto("about:blank")
    page.context.clear_cookies()
    page.goto(up.ready["mlflow"])
    page.get_by_text("twin", exact=True).first.wait_for()
    assert page.url.endswith("#/experiments")
    keep("8-experiments", *MLFLOW_MODES)
    assert "usage data" not in page.locator("body").inner_text()
    boxes = [element.bounding_box() for element in page.get_by_text("MLflow Assistant").all()]
    assert all(box["y"] > HEIGHT / 2 for box in boxes if box)  # the label of its button, not the title of an open panel


def test_mlflow_compares_runs_and_describes_the_model(up, page, keep):
    api = f"{up.ready['mlflow']}/api/2.0/mlflow"
    found = httpx.get(f"{api}/experiments/get-by-name", params={"experiment_name": "small"}).json()
    key = found["experiment"]["experiment_id"]
    runs = httpx.post(f"{api}/runs/search", json={"experiment_ids": [key]}).json()["runs"]
    page.goto(f"{up.ready['mlflow']}/#/experiments/{key}?workflowType=machine_learning")
    for name in (r"rnn-4\S* 2024-01-28 03:00", r"gru-8\S* 2024-01-29 03:00"):
        page.get_by_text(re.compile(name)).first.wait_for()
    keep("8-runs", *MLFLOW_MODES)
    chosen = json.dumps([run["info"]["run_id"] for run in runs[:2]])
    page.goto(f"{up.ready['mlflow']}/#/compare-runs?runs={chosen}&experiments={json.dumps([key])}")
    page.get_by_text("Comparing 2 Runs").first.wait_for()
    for section in ("Parameters", "Metrics"):
        page.get_by_text(section, exact=True).last.wait_for()
    keep("8-compare", *MLFLOW_MODES)
    page.goto(f"{up.ready['mlflow']}/#/models/small")
    page.get_by_text("nightcast promote small VERSION").first.wait_for()
    keep("9-model", *MLFLOW_MODES)
    page.goto(f"{up.ready['mlflow']}/#/models/small/versions/1")
    page.get_by_text("of pipeline small, as of 2024").first.wait_for()
    keep("9-version", *MLFLOW_MODES)
