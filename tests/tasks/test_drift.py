"""Step 9: the newest season against earlier ones, escaped names in the page, and the same bytes twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import NightcastError
from models.data.panel import InputSpec
from models.drift.detection import ColumnDrift, DriftWindows
from tasks.drift import DriftSpec, drift_table, drift_windows, newest_values, watch_drift
from tasks.modeling.forecast_setup import EvaluationSpec, ForecastSetup, OutputSpec
from tasks.results.steps import DriftResult, RunContext
from tasks.storage.store import Store
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
        return watch_drift.fn(claim, cutoff, setup_of(view), DriftSpec(**spec), run_context("2024-04-29"), store)

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


@pytest.mark.parametrize(
    ("freq", "steps", "spec", "windows"),
    [
        ("h", 2000, DriftSpec(), (1344, 168, 24, 168)),
        ("15min", 9000, DriftSpec(), (5376, 672, 96, 672)),
        ("D", 400, DriftSpec(), (192, 24, 1, 7)),  # the horizon is longer than the season
        ("h", 600, DriftSpec(), (480, 120, 24, 24)),  # too short: the newest fifth, and a day as season
        ("h", 2000, DriftSpec(current=24, reference=240), (240, 24, 24, 24)),
        ("MS", 10, DriftSpec(), (8, 2, 1, 1)),
        ("h", 1, DriftSpec(), (1, 1, 1, 1)),
    ],
)
def test_lengths_follow_frequency_and_history(
    freq: str, steps: int, spec: DriftSpec, windows: tuple[int, int, int, int]
) -> None:
    assert drift_windows(view_of(freq=freq), spec, steps) == DriftWindows(*windows)


def test_newest_values_end_at_the_cutoff() -> None:
    frame = clean(days=2, calm=noise)
    values = newest_values(frame, CUTOFF - pd.Timedelta(hours=3), view_of("calm"), 5)
    assert {name: table.shape for name, table in values.items()} == {"y": (2, 5), "calm": (2, 5)}
    assert values["y"][1].tolist() == frame["y"].iloc[-8:-3].tolist()


def test_most_significant_column_comes_first() -> None:
    quiet, loud = ColumnDrift(0.5, np.array([0.9, 0.4])), ColumnDrift(0.001, np.array([1.0, 1.0]))
    night = {"a": quiet, "b": loud}
    table = drift_table([night, night, {"a": quiet, "b": quiet}], ["x", "y"], 0.01)
    assert table[["column", "nights", "drifted"]].values.tolist() == [["b", 2, True], ["a", 0, False]]
    assert table["series"].fillna("").tolist() == ["", "y"]
    assert table["p_value"].tolist() == [0.002, 0.8]


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
