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


def mase_scales_before(clean: pd.DataFrame, moment: pd.Timestamp, season: int) -> pd.Series:
    """Mean |y_t - y_{t-season}| of each series before `moment`; NaN where a series never changed or is too short."""
    before = clean[clean["ds"] < moment]
    scales = before.groupby("unique_id")["y"].agg(lambda y: metrics.mase_scale(y.to_numpy(), season))
    return scales.where(scales > 0)


def score_forecasts(frame: pd.DataFrame) -> dict[str, float]:
    """mase, wql, mae, rmse, smape, coverage of one model's rows; rows without an actual do not count."""
    told = frame.dropna(subset=["y"])
    y, y_hat = told["y"].to_numpy(), told["y_hat"].to_numpy()
    levels = quantile_columns(told)
    quantiles = told[list(levels)].to_numpy()
    scaled = ((told["y"] - told["y_hat"]).abs() / told["scale"])[told["scale"].notna()]
    outer = quantiles[:, [0, -1]] if len(levels) > 1 else np.full((len(told), 2), np.nan)
    return {
        "mase": float(scaled.groupby(told["unique_id"]).mean().mean()) if scaled.notna().all() else float("nan"),
        "wql": metrics.wql(y, quantiles, np.array(list(levels.values()))),
        "mae": metrics.mae(y, y_hat),
        "rmse": metrics.rmse(y, y_hat),
        "smape": metrics.smape(y, y_hat),
        "coverage": metrics.coverage(y, outer[:, 0], outer[:, 1]),
    }


def losses_by_origin(backtest: pd.DataFrame, metric: str) -> pd.DataFrame:
    """(origins x models): each origin's share of a model's score, times the origins, so that the mean is the score.

    These are the pairs that a promotion is decided on. A model with a loss that is not finite has NaN there.
    """
    told = backtest.dropna(subset=["y", "scale"] if metric == "mase" else ["y"])
    rows = told.groupby(["model_name", "unique_id"])["y"].transform("size")
    of_model = told.groupby("model_name")
    if metric == "mase":
        loss = (told["y"] - told["y_hat"]).abs() / told["scale"] / rows / of_model["unique_id"].transform("nunique")
    elif metric == "wql":
        levels = quantile_columns(told)
        losses = [metrics.pinball(told["y"].to_numpy(), told[name].to_numpy(), at) for name, at in levels.items()]
        loss = 2 * np.mean(losses, axis=0) / told["y"].abs().groupby(told["model_name"]).transform("sum")
    else:
        loss = (told["y"] - told["y_hat"]).abs() / of_model["y"].transform("size")
    weighted = told.assign(loss=loss * of_model["cutoff"].transform("nunique"))
    sums = weighted.groupby(["cutoff", "model_name"])["loss"].agg(lambda part: part.sum(skipna=False)).unstack()
    return sums.reindex(columns=sorted(backtest["model_name"].unique()))  # a model without any loss is there as NaN
