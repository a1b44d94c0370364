"""Every series that is not forecast is named with its cause."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.modeling.candidate import Candidate
from tasks.report.without_forecast import list_without_forecast
from tasks.results.row_counts import RowCounts
from tasks.results.steps import Fallback, ForecastResult, ValidatedTable
from tasks.storage.store import Store
from tasks.storage.vintages import Published

CUTOFF = datetime(2024, 3, 10, 23, tzinfo=UTC)
SERVED = ("a", "b")


def rows_of(name: str, hours: int, until: str = "2024-03-10 23:00", y: float = 1.0) -> pd.DataFrame:
    times = pd.date_range(end=pd.Timestamp(until, tz="UTC"), periods=hours, freq="h").as_unit("us")
    return pd.DataFrame({"unique_id": name, "ds": times, "y": y})


def forecasts_of(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": list(names)}).assign(
        ds=pd.Timestamp("2024-03-11", tz="UTC").as_unit("us"), cutoff=pd.Timestamp(CUTOFF).as_unit("us"),
        as_of=pd.Timestamp("2024-03-11", tz="UTC").as_unit("us"),
        step=np.int16(1), y_hat=1.0, q50=1.0, model_name="gru", model_version="1", run_id="r", source="champion",
        degraded_reason=pd.Series([None] * len(names), dtype="str"),
    )  # fmt: skip


@pytest.fixture
def explain(store: Store, model: Callable[..., Candidate]) -> Callable[..., dict[str, tuple[str, str]]]:
    def run(
        clean: pd.DataFrame, raw: tuple[str, ...] = (), before: tuple[str, ...] = (), rejected: tuple[str, ...] = (),
        counts: dict[str, Any] | None = None, **forecast: Any,
    ) -> dict[str, tuple[str, str]]:  # fmt: skip
        health = {"read": 1, "used": 1, "quarantined": 0, "known_ahead": 0, "gaps": 0, "series": 2} | (counts or {})
        lines = pd.DataFrame({"unique_id": [*SERVED, *raw], "ds": "2024-03-10", "y": 1.0}).assign(row=0)
        bad = pd.DataFrame({"unique_id": list(rejected), "ds": "?", "y": "?", "row": 0, "column": "y"})
        bad = bad.assign(rule="y is a number", severity="warning", reason="?")
        validated = ValidatedTable(
            clean=store.put(clean, "clean"), cutoff=CUTOFF, findings=(), health=RowCounts(**health),
            quarantine=store.put(bad, "quarantine") if rejected else None,
        )  # fmt: skip
        table = store.put(forecasts_of(*SERVED), "forecasts")
        done = ForecastResult(
            table=table, published=table, rung=Fallback(candidate=model("gru", 0.1)), last=CUTOFF, series=2, **forecast
        )
        night = Published(as_of=datetime(2024, 3, 9, tzinfo=UTC), file=store.put(forecasts_of(*before), "forecasts"))
        past = (night,) if before else ()
        listed = list_without_forecast(store.put(lines, "raw"), validated, done, past, 24, store)
        return {entry.series: (entry.cause, entry.reason) for entry in listed}

    return run


BOTH = pd.concat([rows_of("a", 48), rows_of("b", 48)], ignore_index=True)


def test_night_that_forecasts_every_series_lists_nothing(explain: Any) -> None:
    assert explain(BOTH, before=("a", "b")) == {}


@pytest.mark.parametrize(
    ("arguments", "extra", "cause", "reason"),
    [
        (
            {"before": ("a", "b", "z")}, None, "vanished",
            "the source has no row of it any more; last forecast in the night of 2024-03-09 00:00 UTC",
        ),
        ({"raw": ("z",)}, None, "too short", "it has no observation before the as-of"),
        ({}, rows_of("z", 5, y=float("nan")), "too short", "it has no observation before the as-of"),
        ({"raw": ("z",), "rejected": ("z",)}, None, "quarantined", "all its rows are in quarantine"),
        ({"counts": {"set_aside": ("z",)}}, None, "quarantined", "a rule excluded it: all its rows are in quarantine"),
        (
            {"left_out": ("z",)}, rows_of("z", 48, until="2024-03-08 04:00"), "ended",
            "its last observation is of 2024-03-08 04:00 UTC",
        ),
        (
            {"left_out": ("z",)}, rows_of("z", 48), "no future covariates",
            "its known covariates do not reach over the horizon",
        ),
        ({}, rows_of("z", 48), "closed", "it is closed at every step of the horizon"),
        ({"not_finite": ("z",)}, rows_of("z", 48), "not finite", "no model gives it a finite forecast"),
    ],
)  # fmt: skip
def test_series_without_a_forecast_is_named_with_its_cause(
    explain: Any, arguments: dict[str, Any], extra: pd.DataFrame | None, cause: str, reason: str
) -> None:
    clean = BOTH if extra is None else pd.concat([BOTH, extra], ignore_index=True)
    assert explain(clean, **arguments) == {"z": (cause, reason)}
