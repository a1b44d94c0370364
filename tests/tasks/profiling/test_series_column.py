import numpy as np
import pandas as pd
import pytest

from tasks.profiling.column_types import ColumnProfile
from tasks.profiling.inference import CannotInferPipeline, Hints
from tasks.profiling.series_column import infer_series_columns

DAYS = pd.date_range("2024-01-01", periods=120, freq="D", tz="UTC")


def infer(frame, **hints):
    kinds = {"ds": "time", "y": "number"}
    profiles = {
        name: ColumnProfile(
            name, kinds.get(name) or ("integer" if frame[name].dtype.kind == "i" else "text"), 1.0, True
        )
        for name in frame
    }
    return infer_series_columns(frame, "ds", profiles, Hints.model_validate(hints), "t.csv")


def panel(columns, values, times=DAYS):
    """A row per time and tuple of `values`, which name a series."""
    parts = [pd.DataFrame({"ds": times, **dict(zip(columns, row, strict=True))}) for row in values]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(y=np.arange(len(frame)) % 11 + np.arange(len(frame)) / 1000)


@pytest.mark.parametrize(
    ("frame", "expected", "confidence"),
    [
        (panel(["shop"], [("a",), ("b",)]), ("shop",), "sure"),
        (panel(["store", "item"], [(1, 7), (1, 8), (2, 7), (2, 8)]), ("store", "item"), "likely"),
        (panel(["store", "item"], [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]), ("store", "item"), "likely"),
        (
            panel(["a", "b", "c"], [(i, j, k) for i in "pq" for j in "rs" for k in "tu"]),
            ("a", "b", "c"),
            "likely",
        ),
        (panel(["number"], [(4711,), (4712,), (4713,)]), ("number",), "unsure"),
        (panel(["note"], [("x",)]), (), "sure"),
    ],
    ids=["one text", "two integers", "two texts", "three texts", "codes without the name of an id", "one series"],
)
def test_columns_that_distinguish_the_rows_of_a_time_name_the_series(frame, expected, confidence):
    ids, inference = infer(frame)
    assert (ids, inference.confidence) == (expected, confidence)


def alternating(name, labels, times=DAYS):
    return pd.DataFrame({"ds": times, name: [labels[row % len(labels)] for row in range(len(times))], "y": 1.5})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (alternating("shop", ["north", "south"]), ("shop",)),
        (alternating("quelle", ["north", "south"]), ("quelle",)),
        (pd.DataFrame({"ds": DAYS, "device": ["old"] * 70 + ["new"] * 50, "y": 1.5}), ("device",)),
        (pd.DataFrame({"ds": DAYS, "weekday": DAYS.day_name(), "y": 1.5}), ()),
        (
            pd.DataFrame({"ds": DAYS, "weather": np.random.default_rng(0).choice(["sun", "rain"], 120), "y": 1.5}),
            (),
        ),
    ],
    ids=["alternating shops", "alternating labels", "one device after the other", "weekdays", "weather"],
)
def test_series_are_seen_even_if_no_time_occurs_twice(frame, expected):
    ids, inference = infer(frame)
    assert ids == expected
    if expected:
        assert inference.confidence == "unsure"
        assert f"remove {expected[0]} from columns.unique_id" in inference.evidence


def test_hint_names_several_columns_separated_by_commas():
    ids, inference = infer(panel(["store", "item"], [("a", "x"), ("a", "y"), ("b", "x")]), id="store, item")
    assert (ids, inference.value, inference.confidence) == (("store", "item"), "store, item", "given")


def test_column_whose_name_has_a_comma_is_a_single_hint():
    assert infer(panel(["store, town"], [("a",), ("b",)]), id="store, town")[0] == ("store, town",)


def test_events_are_an_error_that_names_the_options():
    frame = pd.DataFrame({"ds": DAYS.repeat(3), "y": np.arange(360.0)})
    with pytest.raises(
        CannotInferPipeline, match="--repeated sum or mean; otherwise name the series columns with --id"
    ):
        infer(frame)
