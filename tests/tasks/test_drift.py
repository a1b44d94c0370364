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
from tasks.drift import (
    MIN_THRESHOLD,
    DriftSpec,
    drift_thresholds,
    scale_by_series,
    split_windows,
    wasserstein_in_deviations,
    watch_drift,
)
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.results.steps import DriftResult, RunContext
from tasks.storage.store import Store

CUTOFF = pd.Timestamp("2024-04-28 23:00", tz="UTC")


def view_of(*observed: str, freq: str = "h", horizon: int = 24) -> InputSpec:
    features = FeatureSpec(known=(), observed=observed)
    return InputSpec(features=features, freq=freq, zone="UTC", lookback=24, horizon=horizon)


def setup_of(view: InputSpec, **fields: Any) -> ForecastSetup:
    return ForecastSetup(view=view, bounds=OutputSpec(), evaluation=EvaluationSpec(), **fields)


def clean(days: int = 70, **columns: Any) -> pd.DataFrame:
    """Two series of hours up to the cutoff, of different size, and further columns by name."""
    ds = pd.date_range(end=CUTOFF, periods=24 * days, freq="h").as_unit("us")
    draw = np.random.default_rng(1)
    parts = []
    for name, size in (("a", 1.0), ("b", 100.0)):
        y = size * (5 + np.sin(2 * np.pi * np.arange(len(ds)) / 168) + draw.normal(0, 0.1, len(ds)))
        more = {column: values(draw, len(ds)) if callable(values) else values for column, values in columns.items()}
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y} | more))
    return pd.concat(parts, ignore_index=True)


def noise(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.normal(size=count)


def test_newest_week_is_compared_with_the_eight_weeks_before() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, view_of(), DriftSpec())
    assert (len(current), len(reference)) == (2 * 168, 2 * 8 * 168)
    assert (current.index.min(), current.index.max()) == (0, 167)
    assert (reference.index.min(), reference.index.max()) == (168, 9 * 168 - 1)


def test_windows_move_back_by_whole_weeks() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, view_of(), DriftSpec(), back=1)
    assert (current.index.min(), current.index.max()) == (168, 335)
    assert reference.index.min() == 336


def test_window_lengths_can_be_given_in_steps() -> None:
    history = scale_by_series(clean(), CUTOFF, view_of())
    current, reference = split_windows(history, view_of(), DriftSpec(current=24, reference=48))
    assert (len(current), len(reference)) == (48, 96)


def test_short_history_is_split_into_newest_fifth_and_rest() -> None:
    history = scale_by_series(clean(days=10), CUTOFF, view_of())
    current, reference = split_windows(history, view_of(), DriftSpec())
    assert (len(current), len(reference)) == (2 * 48, 2 * 192)


def test_series_are_scaled_and_rows_after_the_cutoff_are_ignored() -> None:
    frame = clean()
    history = scale_by_series(frame, CUTOFF - pd.Timedelta(hours=5), view_of())
    assert len(history) == len(frame) - 10
    assert history["y"].mean() == pytest.approx(0.0, abs=1e-9)
    assert history["y"].std() == pytest.approx(1.0, abs=1e-3)


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


def test_distance_is_in_standard_deviations_of_the_reference() -> None:
    reference = pd.Series([0.0, 2.0])
    assert wasserstein_in_deviations(pd.Series([1.0, 3.0]), reference) == pytest.approx(1.0)
    assert np.isnan(wasserstein_in_deviations(pd.Series([np.nan]), reference))
    assert wasserstein_in_deviations(pd.Series([1.0]), pd.Series([1.0])) == 0.0


def test_threshold_is_the_largest_distance_of_earlier_weeks() -> None:
    swings = np.repeat([0.0, 3.0] * 8, 168)[-70 * 24 :]
    frame = clean(weather=lambda draw, count: np.resize(swings, count) + draw.normal(0, 0.1, count), calm=noise)
    view = view_of("weather", "calm")
    thresholds = drift_thresholds(scale_by_series(frame, CUTOFF, view), view, DriftSpec())
    assert thresholds["weather"] > 0.5
    assert MIN_THRESHOLD <= thresholds["calm"] < 0.3


@pytest.fixture
def run_drift(store: Store, run_context: Callable[..., RunContext]) -> Callable[..., DriftResult]:
    def watch(frame: pd.DataFrame, view: InputSpec, **spec: Any) -> DriftResult:
        claim = store.put(frame, "clean")
        cutoff = CUTOFF.to_pydatetime()
        return watch_drift.fn(claim, cutoff, setup_of(view), DriftSpec(**spec), run_context("2024-04-29"), store)

    return watch


def test_only_the_column_that_jumps_is_drifted(store: Store, run_drift: Callable[..., DriftResult]) -> None:
    jump = np.r_[np.zeros(70 * 24 - 168), np.full(168, 9.0)]
    frame = clean(sensor=lambda draw, count: jump + draw.normal(size=count), calm=noise)
    done = run_drift(frame, view_of("sensor", "calm"))
    table = store.get(done.table).set_index("column")
    assert table["drifted"].to_dict() == {"y": False, "sensor": True, "calm": False}
    assert done.sentence == "1 of 3 columns drifted (sensor); the alarm is at 30%"
    assert done.drifted
    assert not run_drift(frame, view_of("sensor", "calm"), share=0.5).drifted


def test_target_has_its_name_of_the_source_in_page_and_sentence(
    store: Store, run_context: Callable[..., RunContext]
) -> None:
    claim, cutoff = store.put(clean(calm=noise), "clean"), CUTOFF.to_pydatetime()
    setup = setup_of(view_of("calm"), target="a<b")
    done = watch_drift.fn(claim, cutoff, setup, DriftSpec(), run_context("2024-04-29"), store)
    assert set(store.get(done.table)["column"]) == {"y", "calm"}
    page = store.get_bytes(done.page).decode()
    assert "a&lt;b" in page
    assert '"column_name":"y"' not in page
    assert len(page) < 150_000


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
