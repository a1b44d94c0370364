"""Forecast each series with the first model that can: one series that fails does not cost the others their model.

champion ── not finite for series b ──> the next model forecasts b alone      champion ── damaged ──> the next for all
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from data_contracts.errors import NightcastError, StoreDamaged
from models.bundle import Bundle, BundleDamaged
from models.data.panel import Panel
from models.data.panel_table import PanelTable
from models.golden import GoldenForecastDiffers
from models.predict import Predictor
from models.recalibration import Recalibration
from models.rolling_origins import RollingOrigins
from tasks.engine.machine_memory import release_unused_memory
from tasks.modeling.candidate import Candidate
from tasks.modeling.finiteness import nonfinite_rows
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import load_comparable, recalibrated_table
from tasks.modeling.series import SeriesFallback
from tasks.storage.store import Store

MODEL_ERRORS = (NightcastError, RuntimeError, ValueError, LookupError, TypeError)  # also weights of another shape


class ServedRows(NamedTuple):
    """Rows of one model, and the series that they forecast."""

    number: int
    candidate: Candidate
    table: pd.DataFrame
    series: tuple[str, ...]
    recalibration: dict[str, Any]


class ServedForecast(NamedTuple):
    """The forecasts of all models that were used, and what failed.

    `main` is the number of the model that forecast first, `errors` are the errors of the models before it. `fallbacks`
    are the series of other models, `missing` those for which no model gives a finite forecast. `recalibration` has the
    factors on the intervals of the main model, and what is added to its shares.
    """

    main: int
    table: pd.DataFrame
    errors: tuple[NightcastError, ...]
    fallbacks: tuple[SeriesFallback, ...]
    missing: tuple[str, ...]
    recalibration: dict[str, Any]

    @property
    def is_damaged(self) -> bool:
        """Whether the bundle of a model before the main model could not be read."""
        return any(isinstance(error, StoreDamaged | BundleDamaged | GoldenForecastDiffers) for error in self.errors)

    @property
    def recalibration_json(self) -> bytes:
        """The recalibration as it is stored."""
        return json.dumps(self.recalibration).encode()

    @property
    def share_changes(self) -> tuple[float, ...]:
        """What the main model adds to its shares of simple forecasts, the mean over its series; empty if nothing."""
        changes = np.array(self.recalibration.get("share_changes") or [[0.0]])
        return tuple(changes.mean(axis=0).round(6).tolist()) if changes.any() else ()


class WindowsToForecast(NamedTuple):
    """The windows of a night.

    `rows` has (unique_id, cutoff) of every window. `distrusted` are series whose newest values were rejected, with the
    reason: only baselines that repeat a season forecast them.
    """

    rows: pd.DataFrame
    distrusted: dict[str, str]


def serve_forecasts(
    models: Iterable[Candidate],
    clean: PanelTable,
    windows: WindowsToForecast,
    restore: Callable[[Candidate, Bundle], Predictor],
    setup: ForecastSetup,
    store: Store,
) -> ServedForecast:
    """Forecast every series with the first model that gives it a finite forecast.

    Args:
        models: The models, first choice first. Later ones are not loaded if they are not needed.
        clean: The clean table.
        windows: What to forecast.
        restore: Makes a model ready to forecast.
        setup: Inputs and outputs that the model must share.
        store: The store that holds the bundles.

    Returns:
        The forecasts, with a column `number` for the model of each row.

        Without a model that can forecast any series there are errors, and no rows.
    """
    rows, distrusted = windows
    served, errors = list[ServedRows](), list[NightcastError]()
    asked_for = set(rows["unique_id"])
    reasons = {name: reason for name, reason in distrusted.items() if name in asked_for}
    pending, remaining = rows, enumerate(models)
    while not pending.empty or not (served or errors):
        number, model = next(remaining, (-1, None))
        if model is None:
            break
        reads_lookback = model.role != "baseline" or model.name == "linear"
        asked = pending[~pending["unique_id"].isin(list(distrusted))] if reads_lookback else pending
        if asked.empty and not rows.empty:
            continue
        outcome = _forecast(model, clean, asked, restore, setup, store)
        release_unused_memory()  # of the recalibration
        if isinstance(outcome, NightcastError):
            errors.append(outcome)
            continue
        table, recalibration = outcome
        failing = set(table.loc[nonfinite_rows(table), "unique_id"])
        if failing:
            error = NightcastError(f"{model.label} gave a forecast that is not finite")
            reasons |= {name: str(error) for name in failing - set(reasons)}
            if failing == set(asked["unique_id"]):
                errors.append(error)
                continue
        table = table[~table["unique_id"].isin(failing)] if failing else table
        table["number"] = number
        factors = recalibration.to_json(asked["unique_id"].tolist())
        served.append(ServedRows(number, model, table, tuple(sorted(table["unique_id"].unique())), factors))
        pending = pending[~pending["unique_id"].isin(list(served[-1].series))]
    return _join(served, errors, set(pending["unique_id"]), reasons, set(distrusted))


def _join(
    served: list[ServedRows],
    errors: list[NightcastError],
    missing: set[str],
    reasons: dict[str, str],
    distrusted: set[str],
) -> ServedForecast:
    """Return the rows of all models; the main one is the first that forecast a series which is not distrusted."""
    if not served:
        errors = errors or [NightcastError("no model and no baseline can forecast")]
        table = pd.DataFrame({"unique_id": pd.Series(dtype="str"), "number": pd.Series(dtype="int64")})
        return ServedForecast(0, table, tuple(errors), (), tuple(sorted(missing)), {})
    main = next((part for part in served if not set(part.series) <= distrusted), served[0])
    return ServedForecast(
        main=main.number,
        table=pd.concat([part.table for part in served], ignore_index=True) if len(served) > 1 else served[0].table,
        errors=tuple(errors),
        fallbacks=tuple(_describe(part, reasons) for part in served if part is not main),
        missing=tuple(sorted(missing)),
        recalibration=main.recalibration,
    )


def _forecast(
    model: Candidate,
    clean: PanelTable,
    rows: pd.DataFrame,
    restore: Callable[[Candidate, Bundle], Predictor],
    setup: ForecastSetup,
    store: Store,
) -> tuple[pd.DataFrame, Recalibration] | NightcastError:
    try:
        bundle = load_comparable(model, setup.view, setup.bounds, store)
        rolling = RollingOrigins(restore(model, bundle), Panel.from_table(clean, bundle.view))
        return recalibrated_table(rolling, rows, setup.bounds)
    except NightcastError as error:
        return error
    except MODEL_ERRORS as error:
        return NightcastError(f"{model.label} cannot forecast: {type(error).__name__}: {str(error).splitlines()[0]}")


def _describe(part: ServedRows, reasons: dict[str, str]) -> SeriesFallback:
    series = {reasons.get(name, "") for name in part.series}
    return SeriesFallback(candidate=part.candidate, reason="; ".join(sorted(filter(None, series))), series=part.series)
