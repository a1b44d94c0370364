import numpy as np
import pandas as pd
import pytest

from tasks.profiling.column_types import ColumnProfile
from tasks.profiling.inference import Hints
from tasks.profiling.parsed_table import ParsedTable
from tasks.profiling.target_column import infer_target
from tasks.profiling.wide_columns import find_wide_columns

HOURS = pd.date_range("2024-01-01", periods=400, freq="h", tz="UTC")
WAVE = np.sin(np.arange(400) * 2 * np.pi / 24)
NOISE = np.random.default_rng(7).normal(size=400)
RAIN = (np.random.default_rng(3).random(400) < 0.1) * 1.0


def infer(columns, **hints):
    frame = pd.DataFrame({"ds": HOURS, **columns})
    others = {name: ColumnProfile(name, "number", 1.0, True) for name in columns}
    return infer_target(ParsedTable(frame, "ds", None), others, {}, Hints.model_validate(hints), "t.csv")


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"ozone_ppb": WAVE + NOISE / 5, "hours of rain": RAIN}, "ozone_ppb"),
        ({"hours of rain": RAIN, "ozone_ppb": WAVE + NOISE / 5}, "ozone_ppb"),
        ({"a": NOISE, "b": WAVE, "c": NOISE[::-1]}, "b"),
        ({"TEMP": WAVE, "PRES": WAVE, "Iws": WAVE, "pm2.5": WAVE + NOISE}, "pm2.5"),
        ({"sales": WAVE, "price": NOISE}, "sales"),
        ({"price": NOISE, "promo": RAIN, "sales": WAVE}, "sales"),
        ({"scheduled": WAVE, "delayed": WAVE + NOISE}, "delayed"),
    ],
)
def test_target_is_chosen_by_name_and_by_memory_and_not_by_its_place(columns, target):
    assert infer(columns).y == target
    assert infer(dict(reversed(columns.items()))).y == target


def test_columns_without_names_of_targets_are_unsure_and_name_the_option():
    inference = infer({"alpha": WAVE, "beta": WAVE + NOISE / 9}).inference
    assert (inference.value, inference.confidence) == ("alpha", "unsure")
    assert "by its memory (autocorrelation" in inference.evidence
    assert "or beta? Choose with --target" in inference.evidence


@pytest.mark.parametrize(
    ("names", "expected", "confidence"),
    [
        ([f"zone_{n}" for n in range(1, 21)] + [f"temp_{n}" for n in range(1, 12)], ("zone_*",), "likely"),
        ([f"temp_{n}" for n in range(1, 12)] + [f"zone_{n}" for n in range(1, 21)], ("zone_*",), "likely"),
        ([f"station {n}" for n in range(3)], ("station *",), "likely"),
        (["demand_north", "demand_south"], ("demand_*",), "unsure"),
        (["line1", "line2"], ("line*",), "unsure"),
        (["kwh_a", "kwh_b", "kwh_c", "temp_out"], ("kwh_*",), "unsure"),
    ],
)
def test_alike_columns_are_series_beside_weather(names, expected, confidence):
    wide = find_wide_columns(names)
    assert (wide.y, wide.confidence) == (expected, confidence)


@pytest.mark.parametrize(
    "names",
    [["open", "high", "low"], ["load1", "load2", "sold"], ["a", "b"], ["HUFL", "HULL", "MUFL", "MULL", "OT"]],
)
def test_columns_that_differ_by_more_than_a_number_are_no_wide_table(names):
    assert find_wide_columns(names) is None


def test_glob_hint_takes_one_group_of_several():
    columns = {f"zone_{n}": WAVE + n for n in range(3)} | {f"temp_{n}": WAVE - n for n in range(3)}
    assert infer(columns, target="temp_*").columns == ("temp_0", "temp_1", "temp_2")
    assert infer(columns).columns == ("zone_0", "zone_1", "zone_2")
