"""Manifests are read whatever release wrote them; torn ones are left out."""

from datetime import UTC, datetime

import pytest

from tasks.results.manifest import newest, read_all, read_forecast_night
from tasks.storage.store import Store
from tasks.storage.vintages import Published
from tests.tasks.history.conftest import forecasts_of

# As release 0.1 wrote it for a night of the demo, shortened.
DONE = {
    "as_of": "2013-11-29T05:00:00Z",
    "champion": "lstm-64x2-s24 v1",
    "cutoff": "2013-11-29T04:00:00+00:00",
    "events": ["nightcast.night.finished"],
    "failures": [],
    "finished": "2026-11-25T23:55:21.662220+00:00",
    "flow": "nightly",
    "leaderboard": [{"model_name": "lstm-64x2-s24", "role": "champion", "mase": 0.71}],
    "lines": ["Forecasts are published.", "The champion stays."],
    "manifest": "runs/pipeline=shop/7aaa73309814c409.json",
    "outcome": "done",
    "page": "reports/pipeline=shop/7aaa73309814c409/index.html",
    "pipeline": "shop",
    "published": "forecasts/pipeline=shop/vintage=2013-11-29T050000Z/forecasts.parquet",
    "run_id": "7aaa73309814c409",
    "spec": {"name": "shop", "evaluation": {"metric": "mase", "season": 24}},
    "started": "2026-11-25T23:53:03.500873+00:00",
    "steps": [{"step": "ingest", "outcome": "ran", "seconds": 0.4, "text": ""}],
    "story": {
        "registered": {"champion": None, "decision": None, "moved": False, "reason": "no better than the champion"},
        "validated": {"health": {"read": 215136, "quarantined": 3}, "quarantine": {"uri": "quarantine/x.parquet"}},
    },
    "token": 1,
    "verdict": "good",
    "versions": {"torch": "2.13.0"},
}
REFUSED = {
    "as_of": "2013-11-30T05:00:00+00:00",
    "error": "ContractBroken",
    "exit_code": 3,
    "flow": "nightly",
    "outcome": "refused",
    "page": "reports/pipeline=shop/refused-nightly-2013-11-30T050000Z/index.html",
    "pipeline": "shop",
    "quarantine": "quarantine/y.parquet",
    "reason": "42 rows broke the contract",
    "started": "2026-11-26T03:00:00+00:00",
    "steps": [],
}


@pytest.fixture
def store(tmp_path):
    return Store(root=str(tmp_path))


def write(store, **records):
    for name, record in records.items():
        store.write_json(f"runs/pipeline=shop/{name}.json", record)


def test_finished_run_is_read(store):
    write(store, done=DONE)
    (run,) = read_all(store, "shop")
    assert (run.as_of, run.as_of_text) == (datetime(2013, 11, 29, 5, tzinfo=UTC), "2013-11-29T05:00:00Z")
    assert (run.flow, run.outcome, run.verdict, run.champion) == ("nightly", "done", "good", "lstm-64x2-s24 v1")
    assert run.leaderboard == ({"model_name": "lstm-64x2-s24", "role": "champion", "mase": 0.71},)
    assert (run.metric, run.decision, run.quarantine) == ("mase", "no better than the champion", "quarantine/x.parquet")
    assert run.row_counts == {"read": 215136, "quarantined": 3}
    assert run.ended == datetime(2026, 11, 25, 23, 55, 21, 662220, tzinfo=UTC).timestamp()


def test_failed_run_is_read(store):
    write(store, refused=REFUSED)
    (run,) = read_all(store, "shop")
    assert (run.outcome, run.reason, run.quarantine) == (
        "refused",
        "42 rows broke the contract",
        "quarantine/y.parquet",
    )
    assert (run.leaderboard, run.finished, run.decision, run.metric) == (None, None, None, "")
    assert run.ended == datetime(2026, 11, 26, 3, tzinfo=UTC).timestamp()


def test_flow_without_registration_and_without_rejected_rows_is_read(store):
    story = {"registered": None, "validated": {"health": {"read": 1}, "quarantine": None}}
    write(store, monitor=DONE | {"story": story})
    (run,) = read_all(store, "shop")
    assert (run.decision, run.quarantine, run.row_counts) == (None, None, {"read": 1})


def test_unknown_keys_and_missing_keys_of_other_releases_are_accepted(store):
    write(store, later=DONE | {"partitions": 4}, early={"as_of": "2013-11-28T05:00:00Z"})
    assert [run.outcome for run in read_all(store, "shop")] == ["", "done"]


def test_torn_manifests_are_left_out(store, tmp_path):
    write(store, done=DONE, without_as_of={"flow": "nightly"}, odd={"as_of": "yesterday"})
    (tmp_path / "runs/pipeline=shop/torn.json").write_text('{"as_of": "2013-11-2')
    (tmp_path / "runs/pipeline=shop/list.json").write_text("[]")
    assert [run.run_id for run in read_all(store, "shop")] == ["7aaa73309814c409"]


def test_manifests_are_sorted_by_night_then_by_end(store):
    again = DONE | {"finished": "2026-11-27T00:00:00+00:00", "run_id": "again"}
    write(store, a=again, b=DONE, c=REFUSED)
    assert [run.run_id for run in read_all(store, "shop")] == ["7aaa73309814c409", "again", ""]


def test_newest_is_the_run_that_ended_last(store):
    again = DONE | {"finished": "2026-11-27T00:00:00+00:00", "run_id": "again"}
    write(store, a=again, b=DONE, c=REFUSED)
    last = newest(read_all(store, "shop"))
    assert last is not None
    assert last.run_id == "again"


def test_pipeline_without_runs_has_no_newest_manifest(store):
    assert newest(read_all(store, "shop")) is None


@pytest.mark.parametrize(
    ("anomalies", "count"),
    [({"count": 3, "rate": 0.05}, 3), ({"step": "find_anomalies", "reason": "x"}, None), (None, None)],
)
def test_count_of_anomalies_is_read_and_may_be_missing(
    anomalies: dict[str, object] | None, count: int | None, store: Store
) -> None:
    store.write_json("runs/pipeline=shop/a.json", DONE | {"story": {**DONE["story"], "anomalies": anomalies}})
    store.write_json("runs/pipeline=shop/b.json", DONE)
    assert sorted(str(run.anomalies) for run in read_all(store, "shop")) == sorted([str(count), "None"])


def test_night_whose_manifest_or_vintage_is_missing_has_no_forecast_to_compare_with(store):
    assert read_forecast_night((), "shop", store) is None
    vintage = Published(as_of=datetime(2024, 3, 1, tzinfo=UTC), file=store.put(forecasts_of(8), "forecasts"))
    assert read_forecast_night((vintage,), "shop", store) is None
    write(store, **{"run-8": DONE})  # of a release that kept other results
    assert read_forecast_night((vintage,), "shop", store) is None
