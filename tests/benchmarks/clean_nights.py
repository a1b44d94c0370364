"""A simulated panel of hourly series without anomalies: nights of a forecast whose intervals are of the wrong width."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tasks.modeling.anomaly_tables import ComparedActuals, compare_with_samples
from tasks.modeling.earlier_errors import build_sample
from tasks.modeling.error_units import ROW, to_units

SERIES, HORIZON, NIGHTS_IN_SAMPLE = 20, 24, 28


def simulate_errors(nights: int, seed: int, common: float = 0.3) -> np.ndarray:
    """Errors of forecasts in half widths of their interval, (nights, series, steps): AR(1), so those of a night are
    correlated, as are the series (`common` is the share of the variance that they have in common). Heavy tails, another
    size for each series, and intervals that are too narrow, as those of a network may be.
    """
    draw = np.random.default_rng(seed)
    shape = (nights, SERIES, HORIZON)
    shared = draw.standard_t(6, (nights, 1, HORIZON)) * np.sqrt(common)
    noise = shared + draw.standard_t(6, shape) * np.sqrt(1 - common)
    errors, level = np.empty(shape), np.zeros((nights, SERIES))
    spread = np.sqrt((1 - 0.8 ** (2 * np.arange(1, HORIZON + 1))) / (1 - 0.8**2))
    for step in range(HORIZON):
        level = 0.8 * level + noise[:, :, step]
        errors[:, :, step] = level / spread[step]  # an honest interval grows with the step as the error does
    return errors * draw.uniform(0.9, 1.1, (1, SERIES, 1)) / 1.2


def table_of(errors: np.ndarray, first_night: int) -> pd.DataFrame:
    """Rows (unique_id, ds, cutoff, step, model_name, scaled_error) of errors (nights, series, steps)."""
    nights, series, steps = (axis.reshape(-1) for axis in np.indices(errors.shape))
    cutoff = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(24 * (nights + first_night) - 1, unit="h")
    return pd.DataFrame(
        {
            "unique_id": np.array([f"s{number:02d}" for number in range(errors.shape[1])])[series],
            "ds": cutoff + pd.to_timedelta(steps + 1, unit="h"),
            "cutoff": cutoff,
            "step": (steps + 1).astype("int16"),
            "model_name": "gru",
            "scaled_error": errors.reshape(-1),
        }
    )


def roll_nights(errors: np.ndarray, rate: float) -> Iterator[ComparedActuals]:
    """Compare each night with the 28 nights before it, as `find_anomalies` does; flagged rows are limited later."""
    anomalous = pd.DataFrame({"unique_id": pd.Series(dtype="str"), "ds": pd.Series(dtype="datetime64[us, UTC]")})
    times = pd.date_range("2024-01-01", periods=24 * len(errors), freq="h", tz="UTC")
    for night in range(NIGHTS_IN_SAMPLE, len(errors)):
        first = night - NIGHTS_IN_SAMPLE
        earlier = table_of(errors[first:night], first)
        sample = build_sample([to_units(earlier, anomalous, anomalous[:0])], HORIZON)
        compared = compare_with_samples(table_of(errors[night : night + 1], night), [("gru", sample)], times, rate)
        flagged = compared.table.loc[compared.table["is_anomaly"], ROW]
        anomalous = pd.concat([anomalous, flagged]) if len(flagged) else anomalous
        yield compared
