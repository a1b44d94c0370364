"""Collect what the morning page shows from the results of a run."""

import importlib.metadata

import pandas as pd

from tasks.charts.gradient_by_lag import GradientCurve
from tasks.modeling.forecast_setup import METRICS, ForecastSetup
from tasks.report import page_data
from tasks.report.data_health import health_rows
from tasks.report.memory_section import network_view
from tasks.report.verdict import verdict
from tasks.results.run import RunResults, trained_challengers
from tasks.results.steps import AccuracyResult, DriftResult, EvaluationResult, MemoryDrawings, RegistrationResult
from tasks.storage.store import Store

PACKAGES = ("torch", "pandas", "numpy", "pyarrow", "prefect", "mlflow", "evidently", "great-expectations")


def versions() -> tuple[tuple[str, str], ...]:
    """The installed versions of the packages that decide what comes out."""
    return tuple((name, importlib.metadata.version(name)) for name in PACKAGES)


def leaderboard(story: RunResults, metric: str, store: Store) -> pd.DataFrame:
    """The scores with the parts as they stand after the gate, best first."""
    if not isinstance(story.evaluated, EvaluationResult):
        return pd.DataFrame(columns=["model_name", "role", *METRICS])
    scores = store.get(story.evaluated.scores)
    champion = story.champion
    crowned = scores["bundle"] == (champion.bundle.digest if champion else "")
    scores.loc[(scores["role"] == "champion") & ~crowned, "role"] = "former champion"
    scores.loc[crowned, "role"] = "champion"
    return scores.sort_values([metric, "model_name"], ignore_index=True)


def _filled(story: RunResults, question: ForecastSetup, board: pd.DataFrame, store: Store) -> page_data.ReportData:
    clean = store.get(story.validated.clean)
    cutoff = pd.Timestamp(story.validated.cutoff)
    state, lines = verdict(story)
    drifted = story.drifted if isinstance(story.drifted, DriftResult) else None
    decision = (
        story.registered.reason if isinstance(story.registered, RegistrationResult) else "No decision in this run."
    )
    rejected = story.validated.quarantine.uri if story.validated.quarantine else None
    return page_data.ReportData(
        pipeline=story.night.pipeline,
        as_of=story.night.as_of,
        zone=question.view.zone,
        cutoff=story.validated.cutoff,
        run_id=story.night.run_id,
        horizon=question.view.horizon,
        freq=question.view.freq,
        season=question.evaluation.season or question.view.season,
        verdict=state,
        lines=lines,
        failures=tuple(page_data.FailureRow(one.step, one.reason) for one in story.failures),
        leaderboard=board.assign(train_seconds=float("nan")),
        metric=question.evaluation.metric,
        decision=decision,
        history=_recent(clean, cutoff, question),
        forecast=store.get(story.forecasted.table) if story.forecasted else pd.DataFrame(),
        yesterday=_yesterday(story, clean, store),
        accuracy=_nights(story, store),
        health=health_rows(story, cutoff, question.view),
        quarantine=rules_broken(rejected, store),
        quarantine_uri=rejected or "",
        drift=store.get(drifted.table) if drifted else None,
        drift_summary=drifted.summary if drifted else "",
        drift_href="drift.html" if drifted else None,
        training=tuple(
            page_data.LearningCurve(one.candidate.name, one.train_losses, one.validation_losses, one.note)
            for one in trained_challengers(story.trained)
        ),
        memories=_best_first(story, board, store),
        references=_references(story),
        provenance=_provenance(story),
        versions=versions(),
    )


def _recent(clean: pd.DataFrame, cutoff: pd.Timestamp, question: ForecastSetup) -> pd.DataFrame:
    steps = max(7 * question.view.season if question.view.season <= 96 else 0, 3 * question.view.horizon)
    history = clean.loc[clean["ds"] <= cutoff, ["unique_id", "ds", "y"]]
    return history.groupby("unique_id").tail(steps)


def _yesterday(story: RunResults, clean: pd.DataFrame, store: Store) -> pd.DataFrame | None:
    if not story.past:
        return None
    table = store.get(story.past[-1].file)
    return table.merge(clean[["unique_id", "ds", "y"]].dropna(), "inner", ["unique_id", "ds"])


def _nights(story: RunResults, store: Store) -> pd.DataFrame | None:
    if not isinstance(story.realised, AccuracyResult) or story.realised.accuracy is None:
        return None
    table = store.get(story.realised.accuracy)
    figures = {name: (name, "mean") for name in ("mae", "mase", "wql", "coverage")}
    nights = table.groupby("forecast_vintage", as_index=False).agg(**figures, rows=("rows", "sum"))
    return nights.rename(columns={"forecast_vintage": "vintage"})


def rules_broken(uri: str | None, store: Store) -> pd.DataFrame:
    """(rule, rows, series, example) of a file of rejected rows; empty where there is none."""
    if uri is None:
        return pd.DataFrame(columns=["rule", "rows", "series", "example"])
    grouped = store.get(store.table_at(uri, "quarantine")).groupby("rule", as_index=False)
    return grouped.agg(rows=("row", "size"), series=("unique_id", "nunique"), example=("reason", "first"))


def _provenance(story: RunResults) -> tuple[page_data.ProvenanceEntry, ...]:
    claims = [("raw", story.raw), ("clean", story.validated.clean)]
    claims += [("windows", story.windows)] if story.windows else []
    claims += [(one.candidate.name, one.candidate.bundle) for one in trained_challengers(story.trained)]
    if isinstance(story.evaluated, EvaluationResult):
        claims += [("backtest", story.evaluated.backtest), ("scores", story.evaluated.scores)]
    if isinstance(story.registered, RegistrationResult):
        claims.append(("decision", story.registered.decision))
    claims += [("forecasts", story.forecasted.table)] if story.forecasted else []
    return tuple(page_data.ProvenanceEntry(what, claim.digest, claim.uri) for what, claim in claims)


def _best_first(story: RunResults, board: pd.DataFrame, store: Store) -> tuple[page_data.ModelMemory, ...]:
    """What tonight's models remember, in the order of the leaderboard; those that are not on it come last."""
    places = {digest: place for place, digest in enumerate(board["bundle"])} if "bundle" in board else {}
    found = [(one, network_view(one, store)) for one in trained_challengers(story.trained)]
    found.sort(key=lambda pair: places.get(pair[0].candidate.bundle.digest, len(places)))
    return tuple(page_data.ModelMemory(known, one.gradients) for one, known in found if known is not None)


def _references(story: RunResults) -> tuple[GradientCurve, ...]:
    found = story.pictured.references if isinstance(story.pictured, MemoryDrawings) else ()
    return tuple(GradientCurve(one.name, one.memory, reference=True) for one in found)
