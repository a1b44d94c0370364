"""Step 9: the newest season against earlier ones, escaped names in the page, and the same bytes twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NightcastError
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks import drift
from tasks.drift import watch_drift
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.monitoring.settings import DriftSpec
from tasks.results.drift import DriftSources
from tasks.results.steps import DriftEpisode, DriftResult, RunContext
from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import Published
from tests.tasks.drift_panels import CUTOFF, clean, noise, view_of


def setup_of(view: InputSpec, **fields: Any) -> ForecastSetup:
    return ForecastSetup(view=view, bounds=OutputSpec(), evaluation=EvaluationSpec(), **fields)


@pytest.mark.parametrize("disturbing", ["around zero", "constant", "zero", "tiny", "huge", "missing"])
def test_no_series_drowns_the_jump_of_another(
    store: Store, run_drift: Callable[..., DriftResult], disturbing: str
) -> None:
    frame = clean()
    draw, count = np.random.default_rng(7), 70 * 24
    noise_of = {"around zero": 1.0, "constant": 0.0, "zero": 0.0, "tiny": 1e-9, "huge": 1e12, "missing": np.nan}
    other = frame[frame["unique_id"] == "a"].assign(unique_id="c")
    values = noise_of[disturbing] * draw.normal(size=count)
    other["y"] = values - values.mean() + (7.0 if disturbing == "constant" else 0.0)
    jump = frame["y"] + np.where(frame["ds"] > CUTOFF - pd.Timedelta(days=7), frame["y"], 0.0)
    for y, drifted in ((frame["y"], False), (jump, True)):
        done = run_drift(pd.concat([frame.assign(y=y), other], ignore_index=True), view_of())
        assert store.get(done.table)["drifted"].tolist() == [drifted]


@pytest.fixture
def run_drift(store: Store, run_context: Callable[..., RunContext]) -> Callable[..., DriftResult]:
    def watch(frame: pd.DataFrame, view: InputSpec, **spec: Any) -> DriftResult:
        claim = store.put(frame, "clean")
        cutoff = CUTOFF.to_pydatetime()
        sources = DriftSources(context=run_context("2024-04-29"), clean=claim, cutoff=cutoff)
        return watch_drift.fn(sources, setup_of(view), DriftSpec(**spec), store)

    return watch


def test_only_the_column_that_jumps_is_drifted(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    jump = np.r_[np.zeros(70 * 24 - 168), np.full(168, 9.0)]
    frame = clean(sensor=lambda draw, count: jump + draw.normal(size=count), calm=noise)
    done = run_drift(frame, view_of("sensor", "calm"))
    table = store.get(done.table).set_index("column")
    assert table["drifted"].to_dict() == {"y": False, "sensor": True, "calm": False}
    assert table.loc["sensor", "nights"] == 3
    assert done.sentence == "1 of 3 columns drifted (sensor, most in b), at a level of 0.01"
    assert done.drifted
    half = run_drift(frame, view_of("sensor", "calm"), share=0.5)
    assert (half.drifted, half.sentence.split("; ")[-1]) == (False, "the alarm is at 50%")


def test_season_that_moves_by_six_hours_is_drift(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    frame = clean()
    hours = np.arange(70 * 24)
    moved = np.sin(2 * np.pi * (hours + np.where(hours >= 67 * 24, 6, 0)) / 24)
    still, late = (frame.assign(y=frame["y"] + np.tile(wave, 2)) for wave in (np.sin(2 * np.pi * hours / 24), moved))
    assert store.get(run_drift(still, view_of()).table)["drifted"].tolist() == [False]
    assert store.get(run_drift(late, view_of()).table)["drifted"].tolist() == [True]


def test_one_series_that_changes_is_named(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    frame = clean()
    new = (frame["unique_id"] == "b") & (frame["ds"] > CUTOFF - pd.Timedelta(days=3))
    row = store.get(run_drift(frame.assign(y=frame["y"] * np.where(new, 2.8, 1.0)), view_of()).table).iloc[0]
    assert (row["drifted"], row["series"]) == (True, "b")
    assert row["series_p_value"] < 0.005


def test_change_of_one_night_is_no_alarm_yet(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    frame = clean()
    jump = frame["y"] + np.where(frame["ds"] > CUTOFF - pd.Timedelta(days=1), 9.0, 0.0)
    row = store.get(run_drift(frame.assign(y=jump), view_of()).table).iloc[0]
    assert (row["drifted"], row["nights"]) == (False, 1)
    assert row["p_value"] < 0.01


def test_target_has_its_name_of_the_source_in_page_and_sentence(
    store: Store, run_context: Callable[..., RunContext]
) -> None:
    claim, cutoff = store.put(clean(calm=noise), "clean"), CUTOFF.to_pydatetime()
    setup = setup_of(view_of("calm"), target="a<b")
    sources = DriftSources(context=run_context("2024-04-29"), clean=claim, cutoff=cutoff)
    done = watch_drift.fn(sources, setup, DriftSpec(), store)
    assert set(store.get(done.table)["column"]) == {"y", "calm"}
    page = store.get_bytes(done.page).decode()
    assert "a&lt;b" in page
    assert '"column_name":"y"' not in page
    assert len(page) < 150_000


def test_drift_goes_on_although_its_first_weeks_are_in_the_reference(
    store: Store, run_context: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, start = clean(days=150), CUTOFF - pd.Timedelta(days=28)
    size = frame["unique_id"].map({"a": 1.0, "b": 100.0})
    frame["y"] += np.where(frame["ds"] > start, 0.1 * size, 0.0)
    claim = store.put(frame, "clean")
    sources = DriftSources(context=run_context("2024-04-29"), clean=claim, cutoff=CUTOFF.to_pydatetime())
    since = DriftEpisode(column="y", first=start + pd.Timedelta(hours=1), last=CUTOFF - pd.Timedelta(days=1))
    for before, drifted in (((), False), ((since,), True)):
        monkeypatch.setattr(drift, "read_episodes", lambda *_, before=before: before)
        done = watch_drift.fn(sources, setup_of(view_of()), DriftSpec(), store)
        assert done.drifted == drifted
    assert done.episodes == (DriftEpisode(column="y", first=since.first, last=CUTOFF),)


def test_errors_and_forecasts_are_watched(store: Store, run_context: Callable[..., RunContext]) -> None:
    days = pd.date_range("2024-02-20", "2024-04-28", tz="UTC")
    draw, uris = np.random.default_rng(2), []
    for day in days:
        size = 4.0 if day >= pd.Timestamp("2024-04-25", tz="UTC") else 1.0
        rows = pd.DataFrame({"unique_id": ["a", "b"], "ds": day + pd.Timedelta(hours=5), "cutoff": day, "step": 5})
        rows = rows.assign(scaled_error=size * draw.normal(1, 0.2, 2), model_name="lstm", y=1.0, y_hat=1.0, as_of=day)
        rows = rows.assign(p_value=1.0, series_p_value=1.0, is_anomaly=False)
        uris.append(vintage_uri("anomalies", "shop", day.to_pydatetime()))
        store.publish(store.put(rows, "anomalies"), uris[-1])
    steps, past = np.arange(1, 25), []
    for ago in range(26, -1, -1):
        cutoff = CUTOFF - pd.Timedelta(days=ago)
        tables = [
            pd.DataFrame({"unique_id": name, "ds": cutoff + steps * pd.Timedelta("1h"), "step": steps}) for name in "ab"
        ]
        table = pd.concat(tables, ignore_index=True).assign(y_hat=1e4 if ago < 2 else 5.0, as_of=cutoff, cutoff=cutoff)
        table = table.assign(model_name="lstm", model_version="1", run_id="r", source="champion", degraded_reason=None)
        past.append(Published(as_of=cutoff, file=store.put(table, "forecasts")))
    sources = DriftSources(
        context=run_context("2024-04-29"), clean=store.put(clean(), "clean"), cutoff=CUTOFF.to_pydatetime(),
        past=tuple(past),
    )  # fmt: skip
    done = watch_drift.fn(sources, setup_of(view_of()), DriftSpec(), store)
    table = store.get(done.table).set_index("column")
    assert table["drifted"].to_dict() == {"y": False, "forecasts": True, "forecast errors": True}
    assert table["test"].to_dict()["forecast errors"] == "CUSUM"
    assert done.drifted
    assert done.share == 0
    assert done.sentence.startswith("0 of 1 columns drifted, at a level of 0.01; drifted: forecasts, most in ")
    assert "; forecast errors, most in " in done.sentence


def test_static_column_drifts_if_the_series_of_one_value_stop_until_a_champion_was_trained_without_them(
    store: Store, run_context: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, parts = clean(days=70), []
    one = one[one["unique_id"] == "a"]
    for number in range(60):
        town = ("Bonn", "Köln", "Ulm")[number % 3]
        stops = town == "Ulm" and number < 57
        y = one["y"].mask(one["ds"] > CUTOFF - pd.Timedelta(days=20)) if stops else one["y"]
        parts.append(one.assign(unique_id=f"{number:02}", town=town, y=y))
    frame = pd.concat(parts, ignore_index=True)
    view = view_of().model_copy(update={"features": FeatureSpec(known=(), static=("town",))})
    sources = DriftSources(
        context=run_context("2024-04-29"), clean=store.put(frame, "clean"), cutoff=CUTOFF.to_pydatetime()
    )
    done = watch_drift.fn(sources, setup_of(view), DriftSpec(), store)
    row = store.get(done.table).set_index("column").loc["town"]
    assert (row["drifted"], row["series"], row["test"]) == (True, "Ulm", "chi-square of the series")
    assert done.sentence.endswith("; drifted: town, most in Ulm")
    for days, drifted in ((15, True), (1, False)):  # the series stopped 20 days before, and a season has 7
        trained = CUTOFF - pd.Timedelta(days=days)
        monkeypatch.setattr(drift, "_champion_trained_until", lambda *_, trained=trained: trained)
        done = watch_drift.fn(sources, setup_of(view), DriftSpec(), store)
        assert store.get(done.table).set_index("column").loc["town", "drifted"] == drifted


def test_missing_static_value_and_a_column_with_the_name_of_a_row_stop_nothing(
    store: Store, run_context: Callable[..., RunContext]
) -> None:
    frame = clean(**{"forecast errors": noise}).assign(town=None)
    frame.loc[frame["unique_id"] == "b", "town"] = "Bonn"
    features = FeatureSpec(known=(), observed=("forecast errors",), static=("town",))
    view = view_of().model_copy(update={"features": features})
    days = pd.date_range("2024-04-01", "2024-04-03", tz="UTC")
    for day in days:
        rows = pd.DataFrame({"unique_id": ["a", "b"], "ds": day + pd.Timedelta(hours=5), "cutoff": day, "step": 5})
        rows = rows.assign(scaled_error=1.0, model_name="lstm", y=1.0, y_hat=1.0, as_of=day)
        rows = rows.assign(p_value=1.0, series_p_value=1.0, is_anomaly=False)
        store.publish(store.put(rows, "anomalies"), vintage_uri("anomalies", "shop", day.to_pydatetime()))
    sources = DriftSources(
        context=run_context("2024-04-29"), clean=store.put(frame, "clean"), cutoff=CUTOFF.to_pydatetime()
    )
    table = store.get(watch_drift.fn(sources, setup_of(view), DriftSpec(), store).table)
    assert sorted(table["column"]) == ["forecast errors", "forecast errors (of the model)", "town", "y"]
    assert not table["drifted"].any()


def test_same_night_gives_same_bytes(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    frame, view = clean(calm=noise), view_of("calm")
    first = run_drift(frame, view)
    files = {uri: (Path(store.root) / uri).read_bytes() for uri in store.list_files("reports")}
    assert run_drift(frame, view) == first
    assert {uri: (Path(store.root) / uri).read_bytes() for uri in store.list_files("reports")} == files
    pages = [f"reports/pipeline=shop/run-2024-04-29/drift.{suffix}" for suffix in ("html", "json")]
    assert sorted(files) == sorted([*(script.uri for script in first.scripts), *pages])


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "age", "a&amp;b", "über", "'\"`"]
)
def test_any_column_name_is_escaped_in_the_page(store: Store, run_drift: Callable[..., DriftResult], name: str) -> None:
    done = run_drift(clean(**{name: noise}), view_of(name))
    assert set(store.get(done.table)["column"]) == {"y", name}
    page = store.get_bytes(done.page).decode()
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_record_is_strict_json(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    done = run_drift(clean(calm=noise, flat=1.0), view_of("calm", "flat"))
    json.loads(store.get_bytes(done.record), parse_constant=refuse)


def test_empty_column_is_left_out_and_one_step_is_too_short(
    store: Store, run_drift: Callable[..., DriftResult]
) -> None:
    done = run_drift(clean(empty=np.nan), view_of("empty"))
    assert store.get(done.table)["column"].tolist() == ["y"]
    with pytest.raises(NightcastError, match="too short to watch for drift"):
        run_drift(clean().groupby("unique_id").tail(1), view_of())
