"""The index of the nights: the newest of each pipeline, published and failed, whatever else the store has."""

from typing import Any

import pytest

from tasks.report.index_page import NIGHTS, list_newest_nights, render_index
from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store
from tests.tasks.history.conftest import forecasts_of, night

EVIL = "</td><script>alert(1)</script>"


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(root=str(tmp_path))


def publish(store: Store, day: int, **changes: Any) -> None:
    """The night of a day of March that published, as its run `run-<day>`."""
    table = forecasts_of(9).assign(run_id=f"run-{day}", as_of=night(day))
    store.publish(store.put(table, "forecasts"), vintage_uri("forecasts", "shop", night(day)))
    record = {
        "as_of": night(day).isoformat(), "pipeline": "shop", "verdict": "good", "outcome": "done",
        "lines": [f"Night {day}."], "page": f"reports/pipeline=shop/run-{day}/index.html",
    }  # fmt: skip
    store.write_json(f"runs/pipeline=shop/run-{day}.json", record | changes)


def fail(store: Store, day: int, **changes: Any) -> None:
    record = {"as_of": night(day).isoformat(), "pipeline": "shop", "outcome": "refused", "headline": "Refused."}
    store.write_json(f"runs/pipeline=shop/refused-nightly-2024-03-{day:02d}T000000Z.json", record | changes)


def test_published_and_failed_nights_are_together_the_newest_first(store: Store) -> None:
    publish(store, 8)
    fail(store, 9)
    publish(store, 10)
    assert [night.as_of.day for night in list_newest_nights("shop", store)] == [10, 9, 8]
    page = " ".join(render_index(["shop", "empty"], store).split())
    assert page.index("Night 10.") < page.index("Refused.") < page.index("Night 8.")
    assert '<a href="pipeline=shop/run-10/index.html">' in page
    assert "2 pipelines" in page
    assert "No night has published a forecast, and none has failed." in page


def test_list_ends_and_reads_no_older_manifest(store: Store) -> None:
    for day in range(1, NIGHTS + 5):
        publish(store, day)
    newest = list_newest_nights("shop", store)
    assert [night.as_of.day for night in newest] == list(range(NIGHTS + 4, 4, -1))


def test_damaged_records_are_left_out_and_names_are_inert(store: Store, tmp_path) -> None:
    publish(store, 8, lines=[EVIL])
    publish(store, 9)
    fail(store, 10, headline=EVIL)
    (tmp_path / "runs/pipeline=shop/run-9.json").write_text("{torn")
    (tmp_path / vintage_uri("forecasts", "shop", night(11))).parent.mkdir(parents=True)
    (tmp_path / vintage_uri("forecasts", "shop", night(11))).write_bytes(b"torn")
    assert [night.as_of.day for night in list_newest_nights("shop", store)] == [10, 8]
    assert "<script>" not in render_index(["shop"], store)


def test_store_without_a_run_says_so(store: Store) -> None:
    assert "No pipeline has run in this store yet." in render_index([], store)
