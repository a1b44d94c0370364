"""Prints figures, asserts nothing: the share of actuals inside intervals over 60 nights without a new training.

`own` are the intervals of the model, `recalibrated` those that a night publishes. Of a count, an interval from a to b
may hold P(a < y < b) or P(a <= y <= b): the error is the distance to the range between both. By step, 60 nights of
one series have a standard error of 2.8 to 6.5 points: exact intervals of independent values are off by more than 5
points in a quarter of the cells. `last vintage` is the network's forecast of the night before, moved on by a season.
"""

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import norm

from flows.pipeline.spec import PipelineSpec
from models.bundle import Bundle
from models.data.panel import Panel
from models.predict import Predictor
from models.recalibration import apply_recalibration, fit_recalibration
from models.rolling_origins import RollingOrigins
from tasks.modeling.last_vintage import move_on
from tasks.modeling.scores import quantile_name
from tests.benchmarks import rolling_origins as data

pytestmark = pytest.mark.benchmark

LEVELS = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
INTERVALS = {50: (3, 5), 80: (2, 6), 90: (1, 7), 95: (0, 8)}  # columns of the lower and the upper end
NIGHTS, TEST = 60, "100d"
DATA = (data.bike_sharing, data.etth1, data.metro_traffic, data.vic_elec, data.demo)


class Coverage(NamedTuple):
    """Errors in percentage points."""

    overall: list[float]  # by level
    by_step: np.ndarray  # (levels, H)
    score: float  # mean interval score

    def describe(self, reference: float) -> str:
        """Return a line of the table."""
        errors = " ".join(f"{error:+5.1f}" for error in self.overall)
        cells, largest = int((abs(self.by_step) > 5).sum()), abs(self.by_step).max()
        return f"{errors}   {cells:3d} of {self.by_step.size:3d}   {largest:5.1f}   {self.score / reference:.3f}"


def coverage_error(most: npt.ArrayLike, least: npt.ArrayLike, share: float) -> np.ndarray:
    """Return by how many percent the share of actuals inside, from `least` to `most`, misses its own."""
    return np.asarray(100 * (np.minimum(np.subtract(most, share), 0) + np.maximum(np.subtract(least, share), 0)))


def coverage_of(quantiles: np.ndarray, actuals: np.ndarray) -> Coverage:
    """Compare quantiles (nights, S, H, Q) with actuals (nights, S, H)."""
    known, scores = np.isfinite(actuals), list[float]()
    errors, by_step = list[float](), list[np.ndarray]()
    for percent, (low, high) in INTERVALS.items():
        lower, upper, share = quantiles[..., low], quantiles[..., high], percent / 100
        closed = np.where(known, (actuals >= lower) & (actuals <= upper), np.nan)
        inner = np.where(known, (actuals > lower) & (actuals < upper), np.nan)
        errors.append(float(coverage_error(np.nanmean(closed), np.nanmean(inner), share)))
        by_step.append(coverage_error(np.nanmean(closed, axis=(0, 1)), np.nanmean(inner, axis=(0, 1)), share))
        outside = np.maximum(lower - actuals, 0) + np.maximum(actuals - upper, 0)
        scores.append(np.nanmean(upper - lower + 2 / (1 - share) * outside))
    return Coverage(errors, np.array(by_step), float(np.mean(scores)))


def with_levels(spec: PipelineSpec) -> PipelineSpec:
    fields = spec.model_dump(mode="json", exclude_unset=True)
    fields["windowing"] = fields["windowing"] | {"test": TEST}
    return PipelineSpec.model_validate(fields | {"forecast": fields.get("forecast", {}) | {"quantiles": LEVELS}})


class Nights(NamedTuple):
    """Forecasts of one model in successive nights."""

    own: np.ndarray  # (nights, S, H, Q)
    published: np.ndarray
    actuals: np.ndarray  # (nights, S, H)
    tables: list[pd.DataFrame]  # as published, one per night


def forecast_nights(bundle: Bundle, panel: Panel, spec: PipelineSpec, last: int) -> Nights:
    """Forecast NIGHTS nights up to step `last` without a new training."""
    cutoffs = last - panel.view.phase * np.arange(NIGHTS)[::-1]
    series = np.tile(np.arange(len(panel.ids)), NIGHTS).astype(np.int32)
    position = (np.repeat(cutoffs, len(panel.ids)) - panel.first[series]).astype(np.int32)
    predictor, bounds = Predictor(bundle), spec.forecast_setup.bounds
    forecast = predictor.forecast(panel, series, position)
    own = np.sort(forecast.quantiles, axis=-1)
    published = own.copy()
    for rows, factors in RollingOrigins(predictor, panel).recalibrate(series, position):
        differences = None if forecast.differences is None else forecast.differences[:, rows]
        published[rows] = apply_recalibration(own[rows], factors, LEVELS, differences=differences)
    horizon = panel.view.horizon
    actuals = panel.take(panel.y, series, position, np.arange(1, horizon + 1)).reshape(NIGHTS, -1, horizon)
    restricted = (predictor.restricted(part, bounds.minimum, bounds.maximum) for part in (own, published))
    first, second = (part.reshape(NIGHTS, -1, horizon, len(LEVELS)) for part in restricted)
    tables = [table_of(night, panel, panel.grid[cutoff]) for night, cutoff in zip(second, cutoffs, strict=True)]
    return Nights(first, second, actuals, tables)


def table_of(quantiles: np.ndarray, panel: Panel, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Return what a vintage has of quantiles (S, H, Q)."""
    count, horizon, _ = quantiles.shape
    table = pd.DataFrame(quantiles.reshape(-1, len(LEVELS)), columns=[quantile_name(level) for level in LEVELS])
    steps = np.tile(np.arange(1, horizon + 1), count)
    facts = {"cutoff": cutoff, "model_name": "", "model_version": "", "y_hat": table["q50"]}
    return table.assign(unique_id=np.repeat(panel.ids, horizon), step=steps, **facts)


def coverage_of_last_vintage(nights: Nights, panel: Panel, spec: PipelineSpec) -> Coverage:
    """Return the coverage of each vintage moved on to the night after it."""
    moved = []
    for before, tonight in itertools.pairwise(nights.tables):
        rows = tonight.drop_duplicates("unique_id")[["unique_id", "cutoff"]]
        table = move_on(before, rows, panel.view, spec.forecast_setup.bounds)
        names = [quantile_name(level) for level in LEVELS]
        moved.append(table[names].to_numpy().reshape(len(rows), -1, len(LEVELS)))
    return coverage_of(np.stack(moved), nights.actuals[1:])


@pytest.mark.parametrize("build", DATA, ids=lambda build: build.__name__)
def test_coverage_over_two_months(build, tmp_path, capsys) -> None:
    spec = with_levels(build(tmp_path))
    nights = data.RollingOrigins(spec, tmp_path)
    panel = Panel.from_frame(nights.clean, spec.input_spec)
    last = int(panel.grid.get_loc(nights.origins["cutoff"].max()))
    head = "error at 50, 80, 90, 95 %   cells off > 5   largest   score / own"
    network = nights.train(spec.recipes[0].model)
    for bundle in (network, *nights.baselines()):
        forecasts = forecast_nights(bundle, panel, spec, last)
        own, published = (coverage_of(part, forecasts.actuals) for part in (forecasts.own, forecasts.published))
        with capsys.disabled():
            print(f"\n{spec.name}, {bundle.name}: {head}")
            print(f"  own          {own.describe(own.score)}\n  recalibrated {published.describe(own.score)}")
            if bundle is network:
                moved = coverage_of_last_vintage(forecasts, panel, spec)
                print(f"  last vintage {moved.describe(own.score)}")


def test_coverage_after_the_deviation_doubles(capsys) -> None:
    with capsys.disabled():
        for phi in (0.0, 0.5):
            inside: dict[int, list[float]] = {}
            for seed in range(100):
                errors = np.random.default_rng(seed).normal(size=70 * 24) * np.sqrt(1 - phi**2)
                for step in range(1, len(errors)):
                    errors[step] += phi * errors[step - 1]
                actuals = errors.reshape(70, 1, 24)
                actuals[60:] *= 2
                quantiles = np.broadcast_to(norm.ppf(LEVELS), (70, 1, 24, len(LEVELS))).copy()
                for night in (59, 60, 61, 62, 67):
                    fitted = fit_recalibration(quantiles[night - 56 : night], actuals[night - 56 : night], LEVELS)
                    tonight = apply_recalibration(quantiles[night], fitted, LEVELS)
                    is_inside = (actuals[night] >= tonight[..., 2]) & (actuals[night] <= tonight[..., 6])
                    inside.setdefault(night - 60, []).append(is_inside.mean())
            shares = "  ".join(f"{night:+d}: {100 * np.mean(share):.1f} %" for night, share in inside.items())
            print(f"\n80 % interval, nights after the change, autocorrelation {phi}: {shares}")
