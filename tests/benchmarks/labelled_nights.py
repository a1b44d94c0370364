"""Two labelled series of the Numenta Anomaly Benchmark, a night for each day, with models trained a few times.

A window of NAB is centred on its event: the first hours of a window are before it, so a delay of some hours is early.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from models.bundle import Bundle
from tasks.modeling.anomaly_tables import compare_with_samples
from tasks.modeling.earlier_errors import build_sample, with_interval, with_scaled_errors
from tasks.modeling.error_units import ROW, to_units
from tasks.modeling.forecasts import forecast_table
from tasks.modeling.scores import mase_scales_before
from tests.benchmarks.rolling_origins import SHARED, RollingOrigins, _spec

HORIZON = 24
TRAINED = {  # when each series is trained; the forecasts after it are by this model until the next
    "nyc_taxi": ("2014-10-01", "2014-12-01"),
    "ambient_temperature_system_failure": ("2013-11-15", "2014-02-15"),
}
HOUR = pd.Timedelta("1h")


class Detection(NamedTuple):
    """How the labelled windows of a series were detected, and how many nights outside of them raised an alarm."""

    windows: int
    detected: int
    delays: tuple[int, ...]
    clean_nights: int
    false_alarms: int

    def __str__(self) -> str:
        delays = ", ".join(map(str, self.delays)) or "–"
        share = 100 * self.false_alarms / self.clean_nights
        return (
            f"{self.detected} of {self.windows} windows, after {delays} steps; "
            f"{self.false_alarms} of {self.clean_nights} clean nights = {share:.1f} per 100"
        )


def load_series(name: str) -> pd.DataFrame:
    """Return (unique_id, ds, y), hourly; the half hours of the taxis are added."""
    path = SHARED / "nab" / f"{name}.csv"
    if not path.exists():
        pytest.skip("needs shared/data/nab beside the project")
    table = pd.read_csv(path, parse_dates=["timestamp"])
    values = table.groupby(table["timestamp"].dt.floor("h"))["value"]
    hourly = values.sum() if name == "nyc_taxi" else values.mean()
    return pd.DataFrame({"unique_id": name, "ds": hourly.index, "y": hourly.to_numpy()})


def labelled_windows(name: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Return begin and end (UTC) of the labelled windows of a series."""
    labels = json.loads((SHARED / "nab/anomaly_windows.json").read_text(encoding="utf-8"))
    return [
        (pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC"))
        for start, end in labels[f"realKnownCause/{name}.csv"]
    ]


def forecast_nights(name: str, folder: Path) -> dict[str, pd.DataFrame]:
    """Return the scaled errors of a forecast per day, by model: gru, and ridge as the best linear baseline."""
    spec = _spec(folder, name.replace("_", "-"), load_series(name), "h", HORIZON)
    whole = RollingOrigins(spec, folder)
    days = pd.DatetimeIndex(whole.clean["ds"])
    cutoffs = days[days.hour == HORIZON - 1][:-1]
    moments = [pd.Timestamp(moment, tz="UTC") for moment in TRAINED[name]]
    parts: dict[str, list[pd.DataFrame]] = {}
    for moment, until in zip(moments, [*moments[1:], cutoffs[-1]], strict=True):
        night = RollingOrigins(spec, folder, f"{moment:%Y-%m-%d}")
        ridge = next(bundle for bundle in night.baselines() if bundle.name == "linear")
        bundles = {"gru": night.train(spec.models[1]), "ridge": ridge}
        tested = night.origins["cutoff"].min() if moment == moments[0] else moment
        chosen = cutoffs[(cutoffs >= tested) & (cutoffs < until)]
        for model, bundle in bundles.items():
            parts.setdefault(model, []).append(_errors_of(bundle, whole, chosen, moment))
    return {model: pd.concat(tables, ignore_index=True) for model, tables in parts.items()}


def _errors_of(bundle: Bundle, whole: RollingOrigins, cutoffs: pd.DatetimeIndex, moment: pd.Timestamp) -> pd.DataFrame:
    rows = pd.DataFrame({"unique_id": whole.clean["unique_id"].iloc[0], "cutoff": cutoffs})
    table = forecast_table(bundle, whole.table, rows, whole.spec.forecast_setup.bounds)
    table = with_interval(table).merge(whole.clean[[*ROW, "y"]].dropna(), "inner", ROW)
    scales = mase_scales_before(whole.table, moment, whole.spec.input_spec.season)
    return with_scaled_errors(table, scales).assign(model_name=bundle.name)


def roll_nights(errors: pd.DataFrame, begin: str, nights: int, rate: float) -> Iterator[pd.DataFrame]:
    """Yield the compared actuals of each night from `begin` on, with the forecasts of earlier nights as the sample."""
    anomalous = pd.DataFrame({"unique_id": pd.Series(dtype="str"), "ds": pd.Series(dtype="datetime64[us, UTC]")})
    times = pd.DatetimeIndex(errors["ds"].drop_duplicates().sort_values())
    times = pd.date_range(times[0] - HOUR, times[-1], freq="h")
    for cutoff in errors["cutoff"].drop_duplicates().sort_values():
        if cutoff < pd.Timestamp(begin, tz="UTC") - HOUR:
            continue
        earlier = errors[(errors["cutoff"] < cutoff) & (errors["cutoff"] >= cutoff - nights * HORIZON * HOUR)]
        tested = errors[errors["cutoff"] == cutoff].reset_index(drop=True)
        sample = build_sample([to_units(earlier, anomalous, anomalous[:0])], HORIZON)
        table = compare_with_samples(tested, [(tested["model_name"].iloc[0], sample)], times, rate).table
        anomalous = pd.concat([anomalous, table.loc[table["is_anomaly"], ROW]])
        yield table


def detect(name: str, errors: pd.DataFrame, nights: int, rate: float) -> Detection:
    """Roll the nights over a series and compare the alarms with its labels."""
    windows, delays, clean, alarms = labelled_windows(name), dict[int, int](), 0, 0
    for table in roll_nights(errors, TRAINED[name][0], nights, rate):
        marked = table.loc[table["is_anomaly"], "ds"]
        first, last = table["ds"].min(), table["ds"].max()
        if all(last < start or first > end for start, end in windows):
            clean, alarms = clean + 1, alarms + int(len(marked) > 0)
        for number, (start, end) in enumerate(windows):
            inside = marked[(marked >= start) & (marked <= end)]
            if len(inside):
                delays.setdefault(number, int((inside.min() - start) / HOUR))
    return Detection(len(windows), len(delays), tuple(delays.values()), clean, alarms)
