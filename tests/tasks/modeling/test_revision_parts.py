"""The parts of a revision: each planted cause has the whole of it, and all together add up to it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import Bundle
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.predict import Predictor
from models.recalibration import Recalibration
from models.rolling_origins import RollingOrigins
from tasks.modeling.forecast_setup import OutputSpec
from tasks.modeling.forecasts import forecast_table, recalibrated_table
from tasks.modeling.revision_parts import CAUSES, ForecastInputs, split_revision

NETWORK = Bundle.from_bytes((Path(__file__).parents[2] / "formats/bundle_recurrent.safetensors").read_bytes())
BOUNDS = OutputSpec(quantiles=NETWORK.levels)
HOURS, AHEAD = 60, 6
START = pd.Timestamp("2024-03-01", tz="UTC")


def clean_table(known_hours: int = HOURS) -> pd.DataFrame:
    """Two series with the covariates of the network, known for so many hours; the plan reaches a horizon further."""
    hours = np.arange(known_hours + AHEAD)
    parts = []
    for number, name in enumerate(("a", "b")):
        noise = np.random.default_rng(number).normal(size=500)[: len(hours)]
        y = np.where(hours < known_hours, 10 + 5 * np.sin(hours / 4) + noise, np.nan)
        wind = np.where(hours < known_hours, 3.0 + np.cos(hours / 5), np.nan)
        part = {"unique_id": name, "ds": START + pd.to_timedelta(hours, unit="h"), "y": y, "plan": 8.0 + number % 2}
        parts.append(pd.DataFrame(part | {"wind": wind, "port": "north"}))
    return pd.concat(parts, ignore_index=True)


def night(known_hours: int = HOURS, model: Bundle = NETWORK, clean: pd.DataFrame | None = None) -> ForecastInputs:
    cutoff = START + pd.Timedelta(hours=known_hours - 1)
    return ForecastInputs(clean_table(known_hours) if clean is None else clean, cutoff, model)


def medians(of: ForecastInputs, name: str) -> pd.DataFrame:
    rows = pd.DataFrame({"unique_id": ["a", "b"], "cutoff": of.cutoff})
    table = forecast_table(of.bundle, PanelTable.from_frame(of.clean), rows, BOUNDS)
    return table[["unique_id", "ds", "y_hat"]].rename(columns={"y_hat": name})


def split(before: ForecastInputs, after: ForecastInputs) -> pd.DataFrame:
    rows = medians(before, "before").merge(medians(after, "after"), on=["unique_id", "ds"])
    return split_revision(before, after, rows, BOUNDS)


def revised(table: pd.DataFrame) -> pd.DataFrame:
    """One value 3 hours before the earlier cutoff is 4 higher, and one is gone."""
    y = table["y"].copy()
    late = table["ds"] == START + pd.Timedelta(hours=HOURS - 4)
    gone = table["ds"] == START + pd.Timedelta(hours=HOURS - 9)
    return table.assign(y=(y + 4 * late).mask(gone))


def other_plan(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(plan=table["plan"] + 2 * (table["ds"] >= START + pd.Timedelta(hours=HOURS - 2)))


def other_wind(table: pd.DataFrame) -> pd.DataFrame:
    early = table["ds"] < START + pd.Timedelta(hours=HOURS)  # values that the night before knew
    return table.assign(wind=table["wind"] + 3 * (early & (table["ds"] > START + pd.Timedelta(hours=HOURS - 7))))


def other_model() -> Bundle:
    tensors = {name: 1.1 * value if value.dtype.kind == "f" else value for name, value in NETWORK.tensors.items()}
    return replace(NETWORK, tensors=tensors)


def assert_adds_up(table: pd.DataFrame) -> None:
    np.testing.assert_allclose(table[list(CAUSES)].sum(axis=1), table["after"] - table["before"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (night(HOURS + 2), "new_actuals"),
        (night(clean=revised(clean_table())), "revised_history"),
        (night(clean=other_plan(clean_table())), "covariates"),
        (night(clean=other_wind(clean_table())), "covariates"),
        (night(model=other_model()), "model"),
    ],
    ids=["new actuals", "revised history", "plan", "wind", "model"],
)
def test_cause_that_moves_alone_has_the_whole_revision(after: ForecastInputs, cause: str) -> None:
    table = split(night(), after)
    assert (table["after"] != table["before"]).any()
    np.testing.assert_allclose(table[cause], table["after"] - table["before"], rtol=0, atol=1e-9)
    others = [name for name in CAUSES if name != cause]
    np.testing.assert_allclose(table[others], 0, atol=1e-9)


def test_all_causes_together_add_up_and_each_has_a_part() -> None:
    changed = other_wind(other_plan(revised(clean_table(HOURS + 2))))
    table = split(night(), night(HOURS + 2, other_model(), changed))
    assert table.groupby("unique_id").size().tolist() == [AHEAD - 2, AHEAD - 2]
    assert_adds_up(table)
    assert (table[list(CAUSES)].abs().max() > 1e-5).all()


def test_parts_of_the_reversed_revision_are_the_negative_ones() -> None:
    first, second = night(), night(model=other_model(), clean=other_plan(revised(clean_table())))
    forward, backward = split(first, second), split(second, first)
    np.testing.assert_allclose(forward[list(CAUSES)], -backward[list(CAUSES)], rtol=0, atol=1e-9)


def test_nights_that_are_equal_have_no_parts() -> None:
    assert (split(night(), night())[list(CAUSES)] == 0).all(axis=None)


def test_published_forecast_of_a_fallback_counts_as_another_model() -> None:
    before, after = night(), night(HOURS + 1)
    rows = medians(before, "before").merge(medians(after, "after"), on=["unique_id", "ds"])
    rows.loc[rows["unique_id"] == "b", "after"] += 7.0
    table = split_revision(before, after, rows, BOUNDS)
    assert_adds_up(table)
    np.testing.assert_allclose(table.loc[table["unique_id"] == "b", "model"], 7.0, atol=1e-9)
    np.testing.assert_allclose(table.loc[table["unique_id"] == "a", "model"], 0.0, atol=1e-9)


def test_row_that_arrives_late_is_revised_history() -> None:
    late = clean_table().query(
        "not (unique_id == 'a' and ds < @begin)", local_dict={"begin": START + pd.Timedelta("50h")}
    )
    table = split(night(clean=late.reset_index(drop=True)), night())
    moved = table[table["unique_id"] == "a"]
    assert (moved["revised_history"].abs() > 1e-3).any()
    np.testing.assert_allclose(table.loc[table["unique_id"] == "b", list(CAUSES)], 0, atol=1e-9)


def with_moved_shares(of: ForecastInputs) -> ForecastInputs:
    """The same night, which has moved the shares of series a toward the last value."""
    changes = np.array([[-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    fitted = Recalibration.neutral(2, AHEAD, len(NETWORK.levels))._replace(share_changes=changes)
    return of._replace(recalibration=(fitted, ("a", "b")))


def published(of: ForecastInputs) -> pd.DataFrame:
    assert of.recalibration is not None
    rows = pd.DataFrame({"unique_id": ["a", "b"], "cutoff": of.cutoff})
    panel = Panel.from_table(PanelTable.from_frame(of.clean), of.bundle.view)
    table, _ = recalibrated_table(RollingOrigins(Predictor(of.bundle), panel), rows, BOUNDS, of.recalibration[0])
    return table[["unique_id", "ds", "y_hat"]].rename(columns={"y_hat": "after"})


@pytest.mark.parametrize(("more", "model", "cause"), [(1, "same", "new_actuals"), (0, "other", "model")])
def test_moved_shares_are_a_part_of_what_moved_them(more: int, model: str, cause: str) -> None:
    before = night()
    after = with_moved_shares(night(HOURS + more, other_model() if model == "other" else NETWORK))
    rows = medians(before, "before").merge(published(after), on=["unique_id", "ds"])
    table = split_revision(before, after, rows, BOUNDS)
    assert_adds_up(table)
    np.testing.assert_allclose(table[cause], table["after"] - table["before"], rtol=0, atol=1e-9)
    own = medians(after, "own").merge(table, on=["unique_id", "ds"])
    assert ((own["own"] - own["after"]).abs().groupby(own["unique_id"]).max() > 0.1).tolist() == [True, False]


@settings(max_examples=15)
@given(st.integers(0, AHEAD - 1), st.floats(-5, 5), st.floats(-5, 5), st.booleans(), st.integers(0, HOURS - 1))
def test_parts_add_up(more: int, value: float, plan: float, is_new: bool, hour: int) -> None:
    clean = clean_table(HOURS + more)
    at = clean["ds"] == START + pd.Timedelta(hours=hour)
    clean = clean.assign(y=clean["y"] + value * at, plan=clean["plan"] + plan * at)
    assert_adds_up(split(night(), night(HOURS + more, other_model() if is_new else NETWORK, clean)))
