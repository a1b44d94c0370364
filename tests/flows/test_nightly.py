"""Whole nights: what is published, cached, scored and reported, and what a fault stops."""

import hashlib
import json
import re
import shutil

import duckdb
import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ContractBroken, NoChampion, SpecError
from flows.forecast import forecast
from flows.monitor import monitor
from flows.nightly import nightly
from flows.retrain import retrain
from tasks.history.reader import PublishedReader
from tasks.storage.store import Store

FIRST, SECOND, HORIZON, SERIES = "2024-02-08", "2024-02-09", 24, ("north", "south")

pytestmark = pytest.mark.usefixtures("prefect_server")


def bytes_of(store):
    """Path and digest of every file of a store."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_two_nights_publish_two_cutoffs_for_pandas_and_duckdb(two_nights):
    folder, _ = two_nights
    published = folder / "store" / "forecasts"
    table = pd.read_parquet(published)
    assert len(table) == 2 * HORIZON * len(SERIES)
    assert sorted(table["cutoff"].unique()) == [
        pd.Timestamp("2024-02-07 23:00", tz="UTC"),
        pd.Timestamp("2024-02-08 23:00", tz="UTC"),
    ]
    assert not table.duplicated(["unique_id", "ds", "cutoff"]).any()
    whole = duckdb.read_parquet(f"{published}/*/*/*.parquet", hive_partitioning=True)
    rows = whole.aggregate("vintage, count(*) as rows", "vintage").order("vintage").fetchall()
    assert rows == [("2024-02-08T000000Z", 48), ("2024-02-09T000000Z", 48)]


def test_published_table_has_the_documented_columns_and_types(two_nights):
    folder, outcomes = two_nights
    table = pd.read_parquet(folder / "store" / outcomes[1].published)
    types = {name: str(kind) for name, kind in table.dtypes.items()}
    assert types == {
        "unique_id": "str",
        "ds": "datetime64[us, UTC]",
        "as_of": "datetime64[us, UTC]",
        "cutoff": "datetime64[us, UTC]",
        "step": "int16",
        "y_hat": "float64",
        "q10": "float64",
        "q50": "float64",
        "q90": "float64",
        "model_name": "str",
        "model_version": "str",
        "run_id": "str",
        "source": "str",
        "degraded_reason": "str",
    }
    assert (np.diff(table[["q10", "q50", "q90"]].to_numpy(), axis=1) >= 0).all()
    assert (table["y_hat"] == table["q50"]).all()
    assert table["step"].tolist() == list(range(1, HORIZON + 1)) * len(SERIES)


@pytest.mark.parametrize("night", [FIRST, SECOND], ids=["one that trained", "one that remembered"])
def test_repeated_night_is_cached_and_changes_no_byte(two_nights, night):
    folder, _ = two_nights
    before = bytes_of(folder / "store")
    outcome = nightly(str(folder / "ports.yaml"), night)
    assert outcome.cached
    assert bytes_of(folder / "store") == before


def test_night_in_another_store_gives_the_same_forecasts(two_nights, tmp_path, monkeypatch):
    folder, outcomes = two_nights
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "elsewhere"))
    outcome = nightly.fn(str(folder / "ports.yaml"), FIRST)
    assert not outcome.cached
    there = (tmp_path / "elsewhere" / outcome.published).read_bytes()
    assert there == (folder / "store" / outcomes[0].published).read_bytes()


@pytest.mark.parametrize("kind", ["clean", "bundle", "backtest", "forecasts"])
def test_artifact_whose_file_is_missing_is_computed_again(two_nights, tmp_path, monkeypatch, kind):
    folder, _ = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    shutil.rmtree(tmp_path / "store" / "artifacts" / kind)
    outcome = nightly.fn(str(folder / "ports.yaml"), SECOND)
    assert not outcome.cached
    assert (tmp_path / "store" / outcome.published).read_bytes() == (folder / "store" / outcome.published).read_bytes()


def test_second_night_scores_the_first_forecast_and_trains_nothing(two_nights):
    folder, outcomes = two_nights
    manifest = json.loads((folder / "store" / outcomes[1].manifest).read_text())
    steps = {entry["step"]: entry["outcome"] for entry in manifest["steps"]}
    assert steps["train"] == "cached"  # refresh is two days, and nothing else changed
    accuracy = pd.read_parquet(next((folder / "store" / "accuracy").rglob("*.parquet")))
    assert accuracy["forecast_vintage"].unique().tolist() == [pd.Timestamp("2024-02-08", tz="UTC")]
    assert accuracy["rows"].tolist() == [HORIZON] * len(SERIES)


def test_data_after_the_as_of_change_no_forecast(two_nights, panel, build, tmp_path, monkeypatch):
    folder, outcomes = two_nights
    future = panel["hour_utc"] >= pd.Timestamp(FIRST, tz="UTC")
    poisoned = panel.assign(late=panel["late"].where(~future, 999), wind=panel["wind"].where(~future, -999.0))
    world = build(tmp_path, poisoned, monkeypatch)
    outcome = nightly.fn(str(world / "ports.yaml"), FIRST)
    assert (world / "store" / outcome.published).read_bytes() == (folder / "store" / outcomes[0].published).read_bytes()


def test_latest_is_the_newest_vintage_and_the_page_loads_nothing(two_nights):
    folder, outcomes = two_nights
    latest = folder / "store" / "latest" / "pipeline=ports" / "forecasts.parquet"
    assert latest.read_bytes() == (folder / "store" / outcomes[1].published).read_bytes()
    page = (folder / "store" / outcomes[1].page).read_text()
    unlinked = re.sub(r'<a href="http[^"]*" target="_blank" rel="noopener">', "", page)  # Prefect and MLflow
    assert "http://" not in unlinked.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.fixture
def rotten(two_nights, tmp_path, monkeypatch):
    """A copy of the store of two nights with a damaged champion, of which the registry has no copy."""
    folder, outcomes = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "mlflow")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    champion = json.loads((tmp_path / "store" / outcomes[1].manifest).read_text())["story"]["registered"]["champion"]
    (tmp_path / "store" / champion["bundle"]["uri"]).write_bytes(b"rot")
    return folder, tmp_path / "store"


def test_first_night_registers_a_champion(two_nights):
    folder, outcomes = two_nights
    table = pd.read_parquet(folder / "store" / outcomes[0].published)
    assert set(table["source"]) == {"champion"}
    assert set(table["model_version"]) == {"1"}
    assert table["degraded_reason"].isna().all()


def test_night_with_a_damaged_champion_publishes_a_degraded_forecast(rotten):
    folder, store = rotten
    outcome = nightly.fn(str(folder / "ports.yaml"), "2024-02-10")
    assert len(pd.read_parquet(store / outcome.published)) == HORIZON * len(SERIES)
    assert "passed over" in (store / outcome.page).read_text()


def test_forecast_with_only_a_damaged_champion_is_made_by_a_baseline_and_names_the_file(rotten):
    folder, store = rotten
    outcome = forecast.fn(str(folder / "ports.yaml"), "2024-02-10")
    table = pd.read_parquet(store / outcome.published)
    assert len(table) == HORIZON * len(SERIES)
    assert not set(table["source"]) & {"champion"}
    assert table["degraded_reason"].str.contains(r"artifacts/bundle/.*has digest").all()
    assert outcome.verdict == "watch"
    assert outcome.notices[0].endswith(f"run nightcast champion restore {folder / 'ports.yaml'}")


@pytest.mark.slow  # trains; the parts are tested in tests/tasks
def test_rerun_with_a_damaged_champion_rewrites_neither_vintage_nor_decision(rotten):
    folder, store = rotten
    shutil.rmtree(store / "cache/train")  # else training has the bytes
    text = (folder / "ports.yaml").read_text()
    other = store.parent / "ports.yaml"
    other.write_text(text.replace("max_epochs: 6", "max_epochs: 3"))
    kept = {
        name: digest for name, digest in bytes_of(store).items() if name.startswith(("forecasts", "latest", "deci"))
    }
    outcome = nightly.fn(str(other), SECOND)
    assert outcome.verdict == "watch"
    assert "stay as an earlier run of this night has published them" in outcome.lines[0]
    assert "no challenger is promoted" in outcome.lines[1]
    assert {name: bytes_of(store)[name] for name in kept} == kept


def test_damaged_champion_is_restored_from_the_registry_and_the_rerun_says_so(two_nights, tmp_path, monkeypatch):
    folder, outcomes = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    manifest = json.loads((tmp_path / "store" / outcomes[1].manifest).read_text())
    (tmp_path / "store" / manifest["story"]["registered"]["champion"]["bundle"]["uri"]).unlink()
    outcome = nightly.fn(str(folder / "ports.yaml"), SECOND)
    assert outcome.verdict == "watch"
    assert "is restored from mlflow/artifacts/" in outcome.notices[0]
    assert outcome.notices[0] in (tmp_path / "store" / outcome.page).read_text().replace("&#39;", "'")
    assert not nightly.fn(str(folder / "ports.yaml"), SECOND).notices
    after, before = bytes_of(tmp_path / "store"), bytes_of(folder / "store")
    assert {name: after[name] for name in before} == before
    assert all(name.startswith("cache/report/") for name in set(after) - set(before))


def test_failed_drift_report_does_not_stop_the_forecast(world, monkeypatch):
    from tasks import drift

    def broken(*_):
        raise RuntimeError("Evidently fell over")

    monkeypatch.setattr(drift.evidently_report, "report_drift", broken)
    outcome = nightly(str(world / "ports.yaml"), FIRST)
    assert outcome.verdict == "watch"
    assert (world / "store" / outcome.published).exists()
    assert "Evidently fell over" in (world / "store" / outcome.page).read_text()


def test_broken_contract_publishes_nothing_and_quarantines_rows(world, panel):
    broken = panel.assign(late=panel["late"].astype(str).where(panel.index != 5, "many"))
    broken.to_parquet(world / "ports.parquet", index=False)
    with pytest.raises(ContractBroken, match=r"'late'.*'north'.*rows? 5"):
        nightly(str(world / "ports.yaml"), FIRST)
    assert not (world / "store" / "forecasts").exists()
    rejected = pd.read_parquet(next((world / "store" / "quarantine" / "pipeline=ports").glob("*.parquet")))
    assert rejected["row"].tolist() == [5]
    assert rejected["y"].tolist() == ["many"]
    record = json.loads(next((world / "store" / "runs").rglob("refused-*.json")).read_text())
    assert record["exit_code"] == 3
    assert "Nothing new was published" in (world / "store" / record["page"]).read_text()


def test_forecast_without_a_champion_says_what_to_do(world):
    with pytest.raises(NoChampion, match="nightcast nightly ports"):
        forecast(str(world / "ports.yaml"), FIRST)


def test_retrain_publishes_no_forecast(world):
    outcome = retrain.fn(str(world / "ports.yaml"), FIRST)
    assert outcome.published is None
    assert not (world / "store" / "forecasts").exists()
    assert (world / "store" / outcome.page).exists()


def test_monitor_scores_past_forecasts_and_publishes_nothing(two_nights, tmp_path, monkeypatch):
    folder, _ = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    before = len(list((tmp_path / "store" / "forecasts").rglob("*.parquet")))
    outcome = monitor.fn(str(folder / "ports.yaml"), "2024-02-10")
    assert outcome.published is None
    assert len(list((tmp_path / "store" / "forecasts").rglob("*.parquet"))) == before
    accuracy = pd.read_parquet(
        tmp_path / "store" / "accuracy/pipeline=ports/vintage=2024-02-10T000000Z/accuracy.parquet"
    )
    assert accuracy["forecast_vintage"].dt.day.tolist() == [9] * len(SERIES)  # that of the 8th is published already
    reader = PublishedReader(pipeline="ports", store=Store(root=str(tmp_path / "store")))
    assert len(reader.accuracy()) == 2 * len(SERIES)
    assert len(reader.comparison()) == 2 * HORIZON * len(SERIES)  # the join that gave a pair of the first night twice


@pytest.mark.parametrize(
    ("broken", "step", "published"),
    [
        ("tasks.drift.evidently_report.report_drift", "watch_drift", True),
        ("tasks.monitoring.past_scores.score_vintages", "score_past", False),
    ],
)
def test_check_of_monitor_that_fails_does_not_hide_the_others(
    two_nights, tmp_path, monkeypatch, broken, step, published
):
    def fall_over(*_, **__):
        raise RuntimeError("a library fell over")

    folder, _ = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(broken, fall_over)
    outcome = monitor.fn(str(folder / "ports.yaml"), "2024-02-10")
    page = (tmp_path / "store" / outcome.page).read_text()
    assert outcome.verdict == "watch"
    assert f"{step} failed: RuntimeError: a library fell over" in outcome.lines[-1]
    assert (tmp_path / "store/accuracy/pipeline=ports/vintage=2024-02-10T000000Z").exists() is published
    assert ("columns drifted" in page) is not published


def test_misspelt_field_is_reported_before_the_run(world):
    text = (world / "ports.yaml").read_text().replace("horizon:", "horizont:")
    (world / "ports.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"windowing\.horizont"):
        nightly(str(world / "ports.yaml"), FIRST)
    assert not (world / "store").exists()


def test_repeated_night_restores_a_deleted_latest_file(two_nights, tmp_path, monkeypatch):
    folder, _ = two_nights
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    shutil.rmtree(tmp_path / "store" / "latest")
    outcome = nightly.fn(str(folder / "ports.yaml"), SECOND)
    assert outcome.cached
    latest = tmp_path / "store" / "latest" / "pipeline=ports" / "forecasts.parquet"
    assert latest.read_bytes() == (tmp_path / "store" / outcome.published).read_bytes()


def test_outdated_source_has_verdict_watch(panel, build, tmp_path, monkeypatch):
    features = {"known": ["hour"], "observed": ["wind"]}
    world = build(tmp_path, panel, monkeypatch, features=features)
    outcome = nightly.fn(str(world / "ports.yaml"), "2025-01-01")
    assert outcome.verdict == "watch"
    assert "the source is stale" in outcome.lines[-1]


def test_series_without_future_covariates_is_forecast_by_a_baseline_and_named(panel, build, tmp_path, monkeypatch):
    ahead = panel["hour_utc"] >= pd.Timestamp(FIRST, tz="UTC")
    world = build(tmp_path, panel[~(ahead & (panel["port"] == "south"))], monkeypatch)
    outcome = nightly.fn(str(world / "ports.yaml"), FIRST)
    table = pd.read_parquet(world / "store" / outcome.published)
    reasons = table.groupby("unique_id")["degraded_reason"].unique().map(list).to_dict()
    assert reasons["south"] == ["its known covariates end before the horizon does"]
    assert reasons["north"] != reasons["south"]
    assert "south (its known covariates end before the horizon does)" in outcome.lines[-1]


def test_late_and_revised_values_are_listed_on_the_page(world, panel):
    monitor.fn(str(world / "ports.yaml"), "2024-02-08")
    changed = panel.assign(late=panel["late"].where(panel.index != 5, 77.0)).drop(index=6)
    changed.to_parquet(world / "ports.parquet", index=False)
    outcome = monitor.fn(str(world / "ports.yaml"), "2024-02-09")
    page = (world / "store" / outcome.page).read_text(encoding="utf-8")
    assert "1 rewritten, 1 gone" in page
    record = json.loads((world / "store" / outcome.manifest).read_text(encoding="utf-8"))
    table = pd.read_parquet(world / "store" / record["story"]["revised"]["table"]["uri"])
    assert table["kind"].tolist() == ["rewritten", "gone"]
    assert table["after"].tolist()[0] == 77.0
