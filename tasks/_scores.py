"""Errors of forecast tables: a table has unique_id, y, y_hat, scale and quantile columns named q05, q10, …

`scale` is what MASE divides by: the series' mean seasonal naive error before the rows that are scored.
"""

import re

import numpy as np
import pandas as pd

from models import metrics


def quantile_columns(frame: pd.DataFrame) -> dict[str, float]:
    """The quantile columns of a forecast table in rising order, each with its level: q05 is 0.05, q975 is 0.975."""
    found = {name: float(f"0.{name[1:]}") for name in frame.columns if re.fullmatch(r"q\d{2,}", name)}
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def quantile_name(level: float) -> str:
    """0.05 → q05, 0.5 → q50, 0.975 → q975."""
    digits = f"{level:.6f}".split(".")[1].rstrip("0")
    return f"q{digits.ljust(2, '0')}"


def scales_before(clean: pd.DataFrame, moment: pd.Timestamp, season: int) -> pd.Series:
    """Mean |y_t - y_{t-season}| of each series before `moment`; NaN where a series never changed or is too short."""
    before = clean[clean["ds"] < moment]
    scales = before.groupby("unique_id")["y"].agg(lambda y: metrics.mase_scale(y.to_numpy(), season))
    return scales.where(scales > 0)


def scored(frame: pd.DataFrame) -> dict[str, float]:
    """mase, wql, mae, rmse, smape, coverage of one model's rows; rows without an actual do not count."""
    told = frame.dropna(subset=["y"])
    y, y_hat = told["y"].to_numpy(), told["y_hat"].to_numpy()
    levels = quantile_columns(told)
    quantiles = told[list(levels)].to_numpy()
    scaled = (told["y"] - told["y_hat"]).abs() / told["scale"]
    outer = quantiles[:, [0, -1]] if len(levels) > 1 else np.full((len(told), 2), np.nan)
    return {
        "mase": float(scaled.groupby(told["unique_id"]).mean().mean()),
        "wql": metrics.wql(y, quantiles, np.array(list(levels.values()))),
        "mae": metrics.mae(y, y_hat),
        "rmse": metrics.rmse(y, y_hat),
        "smape": metrics.smape(y, y_hat),
        "coverage": metrics.coverage(y, outer[:, 0], outer[:, 1]),
    }


def losses_by_origin(backtest: pd.DataFrame, metric: str) -> pd.DataFrame:
    """(origins x models): the mean loss of each model at each origin, the pairs that a promotion is decided on."""
    told = backtest.dropna(subset=["y"])
    if metric == "mase":
        loss = (told["y"] - told["y_hat"]).abs() / told["scale"]
    elif metric == "wql":
        levels = quantile_columns(told)
        loss = sum(
            (2 * metrics.pinball(told["y"].to_numpy(), told[name].to_numpy(), level) for name, level in levels.items()),
            start=np.zeros(len(told)),
        ) / (len(levels) * told["y"].abs().mean())
    else:
        loss = (told["y"] - told["y_hat"]).abs()
    return told.assign(loss=loss).pivot_table("loss", "cutoff", "model_name", aggfunc="mean")
