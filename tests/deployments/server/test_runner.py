"""What `up` reports as served: what the server has from this runner, not what the files define."""

import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from deployments.server import runner
from deployments.server.deployment_catalogue import Catalogue, served_store

STARTED = datetime(2024, 2, 8, 3, tzinfo=UTC)


def on_server(minutes: int, *tags: str) -> SimpleNamespace:
    return SimpleNamespace(updated=STARTED + timedelta(minutes=minutes), tags=list(tags))


def test_deployments_of_an_earlier_runner_and_without_a_file_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    existing = {
        "nightly/shop": on_server(1, "nightcast", "shop"),
        "forecast/shop": on_server(-60, "nightcast", "shop"),
        "nightly/gone": on_server(-60, "nightcast", "gone"),
        "nightly/theirs": on_server(1, "other"),
    }
    monkeypatch.setattr(runner, "get_client", lambda **_: contextlib.nullcontext())
    monkeypatch.setattr(runner, "registered", lambda _: existing)
    wanted = [SimpleNamespace(flow_name=flow, name="shop") for flow in ("nightly", "forecast", "monitor")]
    served, orphans = runner._list_served(Catalogue(tuple(wanted), (), {}), STARTED)
    assert served == ["nightly/shop"]
    assert orphans == ["nightly/gone"]


@pytest.mark.parametrize(
    ("description", "store"),
    [
        ("The whole night.  \nStore: `/data/my store`  \nPipeline file: `shop`", "/data/my store"),
        ("The whole night.  \nPipeline file: `shop`", None),
        (None, None),
    ],
)
def test_store_of_a_deployment_is_in_its_description(description: str | None, store: str | None) -> None:
    assert served_store(SimpleNamespace(description=description)) == store
