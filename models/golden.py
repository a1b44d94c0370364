"""Golden forecast: a bundle stores what it forecast on a small made-up input when it was trained, and replays it.

A digest shows that the bytes of a model are the same. The replay shows that they still give the same forecasts with
this release, these libraries and this machine. Bundles of earlier releases have no golden forecast: none is replayed.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from models.data.panel import Panel
from models.engines import Engine
from models.predict import Predictor

SERIES = 2
FIRST_TIME = "2024-01-01"
Y, COVARIATES, QUANTILES = "golden.y", "golden.covariates", "golden.quantiles"
MODEL_ERRORS = (RuntimeError, ValueError, LookupError, TypeError)
RELATIVE_TOLERANCE, TOLERANCE_IN_STD = 1e-5, 1e-4  # of the value; of the standard deviation of the golden input


class GoldenForecastDiffers(NightcastError):
    """A model does not reproduce its golden forecast."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"model {name!r} does not reproduce its golden forecast: {reason}. Its weights have changed, or this "
            "release of Nightcast or torch computes something else. Restore the model, or install the release that "
            "trained it."
        )


def with_golden_forecast(bundle: Bundle) -> Bundle:
    """Add a golden input and its forecast to a recurrent network.

    Args:
        bundle: A trained network.

    Returns:
        The bundle with three more tensors: y (series, N) with N steps, the history that it reads, covariates
        (series, N + H, C) and quantiles (series, H, Q).
        The same bundle if the network gives no finite forecast of the made-up input, which then proves nothing.
    """
    golden = _with_golden_input(bundle)
    try:
        quantiles = _forecast(golden)
    except MODEL_ERRORS:
        return bundle
    if not np.isfinite(quantiles).all():
        return bundle
    return replace(golden, tensors=golden.tensors | {QUANTILES: quantiles})


def _with_golden_input(bundle: Bundle) -> Bundle:
    """Add two series with the season, mean and spread of the training rows; the last varies twice as much."""
    wave = np.sin(np.arange(bundle.history + bundle.horizon) * 2 * np.pi / max(bundle.view.season, 3))
    phases = np.stack([np.roll(wave, 5 * number) * (1 + number) for number in range(SERIES)])
    mean, std = bundle.recurrent.target
    y = abs(mean) + std * (2 + phases[:, : bundle.history])
    y = np.rint(y) if bundle.settings.whole else y
    moments = np.concatenate([bundle.tensors["scaling.known"], bundle.tensors["scaling.observed"]], axis=1)
    covariates = moments[0] + moments[1] * phases[:, :, None]
    return replace(bundle, tensors=bundle.tensors | {Y: y, COVARIATES: covariates})


def check_golden_forecast(bundle: Bundle, engine: Engine | None = None) -> None:
    """Replay the golden forecast of a bundle, if it has one, by default in PyTorch. Raises GoldenForecastDiffers."""
    if QUANTILES not in bundle.tensors:
        return
    try:
        replayed, expected = _forecast(bundle, engine), bundle.tensors[QUANTILES]
        difference = np.abs(replayed - expected)
        allowed = TOLERANCE_IN_STD * np.std(bundle.tensors[Y]) + RELATIVE_TOLERANCE * np.abs(expected)
    except MODEL_ERRORS as error:
        raise GoldenForecastDiffers(bundle.name, f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
    same = difference <= allowed  # NaN is never the same
    if not same.all():
        excess = np.where(same, 0.0, np.nan_to_num(difference - allowed, nan=np.inf))
        series, step, column = (int(index) for index in np.unravel_index(excess.argmax(), excess.shape))
        where = f"step {step + 1}, quantile {bundle.levels[column]:g}"
        values = f"{replayed[series, step, column]:.6g} instead of {expected[series, step, column]:.6g}"
        raise GoldenForecastDiffers(bundle.name, f"{where} is {values}")


def _forecast(bundle: Bundle, engine: Engine | None = None) -> np.ndarray:
    """Forecast the golden input, (series, H, Q), neither rounded nor limited."""
    panel = Panel.from_frame(_golden_frame(bundle), bundle.view)
    series = np.arange(SERIES, dtype=np.int32)
    position = np.full(SERIES, bundle.tensors[Y].shape[1] - 1, dtype=np.int32)
    return Predictor(bundle, engine).quantiles(panel, series, position)


def _golden_frame(bundle: Bundle) -> pd.DataFrame:
    """Return the golden input as a clean table; the last series has static values that the model does not know."""
    features, length = bundle.view.features, bundle.tensors[Y].shape[1] + bundle.horizon
    times = pd.date_range(FIRST_TIME, periods=length, freq=bundle.view.freq, tz="UTC").as_unit("us")
    names, parts = (*features.known_columns, *features.observed), []
    for number in range(SERIES):
        y = np.append(bundle.tensors[Y][number], np.full(bundle.horizon, np.nan))
        columns = dict(zip(names, bundle.tensors[COVARIATES][number].T, strict=True))
        part = pd.DataFrame({"unique_id": f"golden-{number}", "ds": times, "y": y} | columns)
        for name, codes in zip(features.static, bundle.recurrent.vocabulary, strict=True):
            part[name] = next(iter(codes), "") if number + 1 < SERIES else ""
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
