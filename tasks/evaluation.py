"""Step 5 · models + windows → scores: every candidate at the same rolling origins, in the source's units."""

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from data_contracts.spec import Spec
from models.baselines import fit_baselines
from models.bundle import Bundle
from models.calendar import seasons
from models.panel import Panel, View
from tasks._candidate import Candidate, bundle_of
from tasks._scores import quantile_name, scales_before, scored
from tasks._step import step
from tasks._store import Store
from tasks._windows import cutoffs_of, index_of, training_part

METRICS = ("mase", "wql", "mae", "rmse", "smape", "coverage")


class EvaluationSpec(Spec):
    """How candidates are compared; `windows` rolling origins are spread over the test part."""

    season: PositiveInt | None = Field(None, description="season length in steps; by default that of the frequency")
    metric: Literal["mase", "wql", "mae"] = "mase"
    windows: PositiveInt = 28


class Bounds(Spec):
    """What every forecast must keep to: levels asked for, and the least and largest value that make sense."""

    quantiles: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95)
    minimum: float | None = None
    maximum: float | None = None


class Question(Spec):
    """What is asked of every model tonight, and how the answers are compared."""

    view: View
    bounds: Bounds
    evaluation: EvaluationSpec


class Unlike(NightcastError):
    """A model of an earlier night that can't be compared with tonight's."""


class Evaluated(Spec):
    """The stored backtest and scores, the baselines that can stand in, and who could not be compared."""

    backtest: Artifact
    scores: Artifact
    candidates: tuple[Candidate, ...]
    passed_over: tuple[str, ...] = ()
    lead: int = 1
    """How many origins a horizon reaches over; 1 where their errors do not overlap."""
    summary: str = ""

    @property
    def sentence(self) -> str:
        return self.summary


def forecast_table(bundle: Bundle, clean: pd.DataFrame, rows: pd.DataFrame, bounds: Bounds) -> pd.DataFrame:
    """One row a series, cutoff and step: `rows` has (unique_id, cutoff), the answer adds ds, step, y_hat, quantiles."""
    panel = Panel.from_frame(clean, bundle.view)
    code = {name: number for number, name in enumerate(panel.ids)}
    series = rows["unique_id"].map(code).to_numpy(np.int32)
    position = (panel.grid.get_indexer(rows["cutoff"]) - panel.first[series]).astype(np.int32)
    predicted = bundle.predict(panel, series, position, bounds.minimum, bounds.maximum)
    count, horizon, _ = predicted.shape
    levels = bundle.levels
    table = pd.DataFrame(
        {
            "unique_id": rows["unique_id"].repeat(horizon).to_numpy(),
            "ds": pd.DatetimeIndex(panel.times(series, position, horizon).reshape(-1), tz="UTC"),
            "cutoff": rows["cutoff"].repeat(horizon).to_numpy(),
            "step": np.tile(np.arange(1, horizon + 1, dtype=np.int16), count),
            "y_hat": predicted[:, :, levels.index(0.5)].reshape(-1),
        }
    )
    for place, level in enumerate(levels):
        table[quantile_name(level)] = predicted[:, :, place].reshape(-1)
    return table


@step
def evaluate(
    clean: Artifact, windows: Artifact, rivals: tuple[Candidate, ...], question: Question, store: Store
) -> Evaluated:
    """Score rivals and baselines on the test part. A rival that answers another question is passed over, and said."""
    view, bounds, spec = question.view, question.bounds, question.evaluation
    frame, index = store.get(clean), index_of(windows, store)
    fitting = training_part(frame, index, view)
    cycles = tuple(dict.fromkeys((spec.season or view.season, *seasons(view.freq))))
    fitted = fit_baselines(Panel.from_frame(fitting[0], view), fitting[1], view, bounds.quantiles, cycles)
    baselines = [
        Candidate(name=b.name, role="baseline", bundle=store.put_bytes(b.to_bytes(), "bundle", "safetensors"))
        for b in fitted
    ]
    fit, passed_over = _sorted_out(rivals, question, store)
    origins = cutoffs_of(frame, index, "test")
    tables = []
    for candidate in [*fit, *baselines]:
        table = forecast_table(bundle_of(candidate, store), frame, origins, bounds)
        tables.append(table.assign(model_name=candidate.label))
    backtest = pd.concat(tables, ignore_index=True).merge(frame[["unique_id", "ds", "y"]], "left", ["unique_id", "ds"])
    scales = scales_before(frame, origins["cutoff"].min(), cycles[0])
    backtest["scale"] = backtest["unique_id"].map(scales)
    scores = _scores(backtest, [*fit, *baselines])
    return Evaluated(
        backtest=store.put(backtest, "backtest"),
        scores=store.put(scores, "scores"),
        candidates=(*fit, *baselines),
        passed_over=tuple(passed_over),
        lead=_lead(origins["cutoff"], frame, view.horizon),
        summary=_summary(scores, spec.metric, origins["cutoff"].nunique()),
    )


def comparable(rival: Candidate, view: View, bounds: Bounds, store: Store) -> Bundle:
    """The rival's bundle. Raises StoreDamaged where it is damaged, and Unlike where it answers another question."""
    bundle = bundle_of(rival, store)
    for word, theirs, ours in (
        ("horizon", bundle.horizon, view.horizon),
        ("quantiles", bundle.levels, bounds.quantiles),
        ("freq", bundle.view.freq, view.freq),
    ):
        if theirs != ours:
            raise Unlike(f"{rival.label} was made for {word} {theirs}, and the spec now asks for {ours}")
    missing = set(bundle.view.features.known_columns + bundle.view.features.observed + bundle.view.features.static)
    missing -= set(view.features.known_columns + view.features.observed + view.features.static)
    if missing:
        raise Unlike(f"{rival.label} learned from {', '.join(sorted(missing))}, which the spec no longer names")
    return bundle


def _sorted_out(rivals: tuple[Candidate, ...], question: Question, store: Store) -> tuple[list[Candidate], list[str]]:
    """(who can be compared tonight, why the others can't)."""
    fit, passed_over = [], []
    for rival in rivals:
        try:
            comparable(rival, question.view, question.bounds, store)
        except NightcastError as problem:
            passed_over.append(f"{rival.role} passed over: {problem}")
        else:
            fit.append(rival)
    return fit, passed_over


def _scores(backtest: pd.DataFrame, candidates: list[Candidate]) -> pd.DataFrame:
    by_model = dict(tuple(backtest.groupby("model_name")))
    rows = [
        {
            "model_name": candidate.label,
            "role": candidate.role,
            "bundle": candidate.bundle.digest,
            **scored(by_model[candidate.label]),
            "origins": by_model[candidate.label]["cutoff"].nunique(),
        }
        for candidate in candidates
    ]
    return pd.DataFrame(rows)


def _lead(cutoffs: pd.Series, clean: pd.DataFrame, horizon: int) -> int:
    steps = np.sort(clean["ds"].unique())
    places = np.searchsorted(steps, np.sort(cutoffs.unique()))
    apart = int(np.diff(places).min()) if len(places) > 1 else horizon
    return -(-horizon // max(apart, 1))


def _summary(scores: pd.DataFrame, metric: str, origins: int) -> str:
    ranked = scores.dropna(subset=[metric]).sort_values(metric, ignore_index=True)
    first = " > ".join(f"{row.model_name} {getattr(row, metric):.3f}" for row in ranked.head(3).itertuples())
    return f"{origins} origins, {metric}: {first}"
