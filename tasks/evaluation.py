"""Step 5 · models + windows → scores: every candidate at the same rolling origins, in the source's units."""

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.baselines.seasonal import fit_baselines
from models.data.calendar import seasons
from models.data.panel import Panel
from tasks.engine.step import step
from tasks.modeling.candidate import Candidate, load_bundle
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import forecast_table, load_comparable
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.modeling.training_data import load_window_index, select_training_part, window_cutoffs
from tasks.results.steps import EvaluationResult
from tasks.storage.store import Store


@step
def evaluate(
    clean: Artifact, windows: Artifact, rivals: tuple[Candidate, ...], question: ForecastSetup, store: Store
) -> EvaluationResult:
    """Score rivals and baselines on the test part. A rival that answers another question is passed over, and said."""
    view, bounds, spec = question.view, question.bounds, question.evaluation
    frame, index = store.get(clean), load_window_index(windows, store)
    fitting = select_training_part(frame, index, view)
    cycles = tuple(dict.fromkeys((spec.season or view.season, *seasons(view.freq))))
    fitted = fit_baselines(Panel.from_frame(fitting[0], view), fitting[1], view, bounds.quantiles, cycles)
    baselines = [
        Candidate(name=b.name, role="baseline", bundle=store.put_bytes(b.to_bytes(), "bundle", "safetensors"))
        for b in fitted
    ]
    fit, passed_over = _sorted_out(rivals, question, store)
    origins = window_cutoffs(frame, index, "test")
    tables = []
    for candidate in [*fit, *baselines]:
        table = forecast_table(load_bundle(candidate, store), frame, origins, bounds)
        tables.append(table.assign(model_name=candidate.label))
    backtest = pd.concat(tables, ignore_index=True).merge(frame[["unique_id", "ds", "y"]], "left", ["unique_id", "ds"])
    scales = mase_scales_before(frame, origins["cutoff"].min(), cycles[0])
    backtest["scale"] = backtest["unique_id"].map(scales)
    scores = _scores(backtest, [*fit, *baselines])
    return EvaluationResult(
        backtest=store.put(backtest, "backtest"),
        scores=store.put(scores, "scores"),
        candidates=(*fit, *baselines),
        passed_over=tuple(passed_over),
        lead=_lead(origins["cutoff"], frame, view.horizon),
        summary=_summary(scores, spec.metric, origins["cutoff"].nunique()),
    )


def _sorted_out(
    rivals: tuple[Candidate, ...], question: ForecastSetup, store: Store
) -> tuple[list[Candidate], list[str]]:
    """(who can be compared tonight, why the others can't)."""
    fit, passed_over = [], []
    for rival in rivals:
        try:
            load_comparable(rival, question.view, question.bounds, store)
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
            **score_forecasts(by_model[candidate.label]),
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
