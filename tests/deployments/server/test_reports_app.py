"""Pages of runs and what they share are served with their types, and nothing else of the store."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from deployments.server.prefect_server_settings import server_environment
from deployments.server.reports_app import SERVED_PATHS, ReportsApp
from tasks.storage.store import Store

SCRIPT = f"assets/{'ab' * 32}.js"
PAGE = "reports/pipeline=shop/r1/drift.html"
TABLE = "forecasts/pipeline=shop/vintage=2024-02-06T000000Z/forecasts.parquet"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path))
    for name in ("pipeline=shop/r1/drift.html", SCRIPT, "assets/other.js", "assets/notes.txt", f"../{TABLE}"):
        path = tmp_path / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return TestClient(Starlette(routes=[Mount(f"/{folder}", app=ReportsApp(folder)) for folder in SERVED_PATHS]))


@pytest.mark.parametrize(
    ("path", "status", "media"),
    [
        ("pipeline=shop/r1/drift.html", 200, "text/html; charset=utf-8"),
        (SCRIPT, 200, "text/javascript; charset=utf-8"),
        (f"pipeline=shop/r1/../../{SCRIPT}", 200, "text/javascript; charset=utf-8"),  # as a page refers to it
        ("assets/other.js", 404, "text/plain; charset=utf-8"),
        ("assets/notes.txt", 404, "text/plain; charset=utf-8"),
    ],
)
def test_only_pages_and_their_scripts_are_served(client: TestClient, path: str, status: int, media: str) -> None:
    answer = client.get(f"/reports/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, media)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_published_table_is_a_download_and_other_tables_are_not_served(client: TestClient) -> None:
    page = "/reports/pipeline=shop/r1/index.html"
    answer = client.get(f"{page}/../../../../{TABLE}")  # as the page refers to it
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.apache.parquet")
    assert "allow-downloads" in answer.headers["content-security-policy"]
    assert client.get("/forecasts/pipeline=shop/vintage=2024-02-06T000000Z/secrets.json").status_code == 404


def test_server_of_up_deletes_old_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    for name, value in server_environment(4200).items():
        monkeypatch.setenv(name, value)
    settings = ServerServicesDBVacuumSettings()
    assert settings.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert settings.retention_period.days == 90


@pytest.mark.parametrize("path", ["/reports", "/reports/", "/reports/index.html"])
def test_index_lists_the_nights_of_every_pipeline(client: TestClient, tmp_path: Path, path: str) -> None:
    store = Store(root=str(tmp_path))
    record = {"as_of": "2024-03-01T05:00:00Z", "pipeline": "shop", "outcome": "refused", "page": PAGE}
    store.write_json(
        "runs/pipeline=shop/refused-nightly-2024-03-01T050000Z.json", record | {"headline": "Rows broke it"}
    )
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.url.path in ("/reports/", "/reports/index.html")
    assert '<a href="pipeline=shop/r1/drift.html">' in answer.text
    assert "Rows broke it" in answer.text
    assert client.get("/forecasts/").status_code == 404
