"""Collect the data of the morning page from the results of a run."""

import importlib.metadata

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.charts.gradient_by_lag import GradientCurve
from tasks.history.changes import VintageShape, diff_vintages, shape_of_file
from tasks.modeling.actuals import lookup_actuals
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import METRICS, ForecastSetup
from tasks.modeling.scores import quantile_levels
from tasks.report import page_data
from tasks.report.anomaly_rows import anomaly_rows
from tasks.report.changes import list_changes, published_series
from tasks.report.data_health import health_rows
from tasks.report.decision_history import list_decisions
from tasks.report.headline import describe_freshness, write_headline
from tasks.report.memory_section import network_view
from tasks.report.published_steps import score_published_steps
from tasks.report.verdict import list_other_warnings, unregistered_reason, verdict
from tasks.results.accuracy import AccuracyResult
from tasks.results.page_context import PageContext
from tasks.results.run import RunResults, trained_challengers
from tasks.results.steps import DriftResult, EvaluationResult, MemoryDrawings, RegistrationResult
from tasks.storage.layout import report_dir
from tasks.storage.parquet import open_parquet
from tasks.storage.store import Store

FEW_TEXTS = ["run_id", "model_name", "source", "degraded_reason"]  # columns of a forecast, read as categories
SHOWN_COLUMNS = ["unique_id", "ds", "cutoff", "y_hat", *FEW_TEXTS]
MAX_DRAWN_SERIES = 1_000  # whose history the page is given, to choose from
PACKAGES = ("torch", "pandas", "numpy", "pyarrow", "prefect", "mlflow", "evidently", "great-expectations")


def versions() -> tuple[tuple[str, str], ...]:
    """Return the installed version of each package that affects the numbers of a run."""
    return tuple((name, importlib.metadata.version(name)) for name in PACKAGES)


def leaderboard(results: RunResults, metric: str, store: Store) -> pd.DataFrame:
    """Return the scores with the roles after the promotion gate.

    Args:
        results: The results of the run.
        metric: The column to rank by; lower is better.
        store: Where the scores are stored.

    Returns:
        One row per model, best first: bundle, model_name, role and the metrics. No rows if nothing was evaluated.
    """
    if not isinstance(results.evaluated, EvaluationResult):
        return pd.DataFrame(columns=["model_name", "role", *METRICS])
    scores = store.get(results.evaluated.scores)
    champion = results.champion
    is_champion = scores["bundle"] == (champion.bundle.digest if champion else "")
    scores.loc[(scores["role"] == "champion") & ~is_champion, "role"] = "former champion"
    scores.loc[is_champion, "role"] = "champion"
    return scores.sort_values([metric, "model_name"], ignore_index=True)


def collect_report_data(
    results: RunResults, setup: ForecastSetup, board: pd.DataFrame, about: PageContext, store: Store
) -> page_data.ReportData:
    """Collect everything the page of a run shows; `board` is its leaderboard."""
    clean = load_clean_table(results.validated.clean, store)
    cutoff = pd.Timestamp(results.validated.cutoff)
    state, (published, *others) = verdict(results, setup.view)
    freshness = describe_freshness(clean.newest_known(), results.night.as_of, setup.view.freq)
    forecast = _read_forecast(results.forecasted.table, store) if results.forecasted else pd.DataFrame()
    before = _read_forecast(results.past[-1].file, store) if results.past else None
    yesterday = _match_actuals(before, clean)
    drifted = results.drifted if isinstance(results.drifted, DriftResult) else None
    registered = results.registered if isinstance(results.registered, RegistrationResult) else None
    rejected = results.validated.quarantine.uri if results.validated.quarantine else None
    return page_data.ReportData(
        pipeline=results.night.pipeline,
        as_of=results.night.as_of,
        zone=setup.view.zone,
        cutoff=results.validated.cutoff,
        run_id=results.night.run_id,
        horizon=setup.view.horizon,
        freq=setup.view.freq,
        season=setup.evaluation.season or setup.view.season,
        verdict=state,
        lines=(write_headline(published, results, board, setup.evaluation.metric, freshness), *others),
        warnings=list_other_warnings(results, setup.view),
        failures=tuple(page_data.FailureRow(failure.step, failure.reason) for failure in results.failures),
        leaderboard=board,
        sample=results.evaluated.sample if isinstance(results.evaluated, EvaluationResult) else "",
        metric=setup.evaluation.metric,
        decision=registered.reason if registered else _no_decision(results),
        decisions=list_decisions(results.night, results.registered, store),
        by_hand=results.by_hand,
        history=_recent_history(clean, cutoff, setup, yesterday),
        changes=(*_changes(results, forecast, before, about), *anomaly_rows(results.anomalies, setup.view)),
        target=setup.target,
        about=about,
        previous_href=_previous_page(before, results, store),
        forecast=forecast,
        yesterday=yesterday,
        accuracy=_accuracy_by_night(results, store),
        by_step=score_published_steps(results.past, clean, store),
        health=(*health_rows(results, clean, cutoff, setup.view), *_changed_columns(results, store)),
        quarantine=rules_broken(rejected, store),
        quarantine_uri=rejected or "",
        drift=store.get(drifted.table) if drifted else None,
        drift_summary=drifted.summary if drifted else "",
        drift_href="drift.html" if drifted else None,
        training=tuple(
            page_data.LearningCurve(
                model.candidate.name, model.train_losses, model.validation_losses, model.note, model.choices
            )
            for model in trained_challengers(results.trained)
        ),
        memories=_memories(results, board, store),
        references=_references(results),
        provenance=_provenance(results),
        versions=versions(),
    )


def _no_decision(results: RunResults) -> str:
    return unregistered_reason(results) or "No promotion was decided in this run."


def _recent_history(
    clean: PanelTable, cutoff: pd.Timestamp, setup: ForecastSetup, yesterday: pd.DataFrame | None
) -> pd.DataFrame:
    """Return the last steps of each series: seven seasons if a season is short, and at least three horizons.

    Of many series, the largest are returned, and those that yesterday's forecast missed most: no other is drawn.
    """
    steps = max(7 * setup.view.season if setup.view.season <= 96 else 0, 3 * setup.view.horizon)
    end = clean.steps_until(cutoff)
    if len(clean.ids) > MAX_DRAWN_SERIES:
        clean = clean.select(_drawn_series(clean, max(end - steps, 0), end, yesterday))
        end = clean.steps_until(cutoff)
    return clean.between(max(end - steps, 0), end).frame()[["unique_id", "ds", "y"]]


def _drawn_series(clean: PanelTable, begin: int, end: int, yesterday: pd.DataFrame | None) -> list[str]:
    recent = (part.between(begin, end) for part in clean.partitions())
    sums = [pd.Series(np.add.reduceat(np.nan_to_num(p.numbers["y"]), p.starts), p.ids) for p in recent if len(p)]
    names = list(pd.concat(sums).sort_values(ascending=False, kind="stable").index[: MAX_DRAWN_SERIES // 2])
    if yesterday is not None:
        misses = (yesterday["y_hat"] - yesterday["y"]).abs().groupby(yesterday["unique_id"]).mean()
        names += list(misses.nlargest(MAX_DRAWN_SERIES // 2).index)
    return names


def _match_actuals(before: pd.DataFrame | None, clean: PanelTable) -> pd.DataFrame | None:
    """Return the rows of the last forecast that have an actual by now."""
    if before is None:
        return None
    rows = before.assign(y=lookup_actuals(clean, before["unique_id"], before["ds"]))
    return rows[rows["y"].notna()].reset_index(drop=True)


def _previous_page(before: pd.DataFrame | None, results: RunResults, store: Store) -> str | None:
    """Return the page of the night before, relative to the folder of this one; None if it has no page."""
    if before is None or before.empty:
        return None
    folder = report_dir(results.night.pipeline, run_id := str(before["run_id"].iloc[0]))
    return f"../{run_id}/index.html" if f"{folder}/index.html" in store.list_files(folder) else None


def _accuracy_by_night(results: RunResults, store: Store) -> pd.DataFrame | None:
    if not isinstance(results.realised, AccuracyResult) or results.realised.scores is None:
        return None
    table = store.get(results.realised.scores, ["forecast_vintage", "mae", "mase", "coverage", "wql", "rows"])
    means = {name: (name, "mean") for name in ("mae", "mase", "coverage")}
    means["wql"] = ("wql", "median")  # of a series with a sum near zero it has no limit
    nights = table.groupby("forecast_vintage", as_index=False).agg(**means, rows=("rows", "sum"))
    return nights.rename(columns={"forecast_vintage": "vintage"})


def _changes(
    results: RunResults, forecast: pd.DataFrame, before: pd.DataFrame | None, about: PageContext
) -> tuple[page_data.HealthRow, ...]:
    known = None if before is None else published_series(before)
    return list_changes(results, published_series(forecast), known, about.retracted)


def _changed_columns(results: RunResults, store: Store) -> tuple[page_data.HealthRow, ...]:
    """Return a row per change of quantile levels or columns since the vintage before, which readers must know."""
    if not results.forecasted or not results.past:
        return ()
    before, after = (_shape_of(table, store) for table in (results.past[-1].file, results.forecasted.table))
    changes = diff_vintages(before, after._replace(series=before.series))
    return tuple(
        page_data.HealthRow("Forecast columns", change.sentence, "since the vintage before") for change in changes
    )


def _read_forecast(table: Artifact, store: Store) -> pd.DataFrame:
    """Read the columns of a forecast that the page shows, one at a time, so that no more than one is held twice."""
    with store.local_file(table) as path, open_parquet(path, FEW_TEXTS) as file:
        shown = {*SHOWN_COLUMNS, *quantile_levels(file.schema_arrow.names)}.intersection(file.schema_arrow.names)
        columns = {name: file.read(columns=[name])[name].to_pandas() for name in sorted(shown)}
    return pd.DataFrame(columns, copy=False)


def _shape_of(table: Artifact, store: Store) -> VintageShape:
    with store.local_file(table) as path, open_parquet(path) as file:
        return shape_of_file(file)


def rules_broken(uri: str | None, store: Store) -> pd.DataFrame:
    """Count the rejected rows of a quarantine file by rule.

    Args:
        uri: The quarantine file, or None if no row was rejected.
        store: Where it lies.

    Returns:
        One row per rule: rule, rows, series, example.
    """
    if uri is None:
        return pd.DataFrame(columns=["rule", "rows", "series", "example"])
    grouped = store.get(store.table_at(uri, "quarantine")).groupby("rule", as_index=False)
    return grouped.agg(rows=("row", "size"), series=("unique_id", "nunique"), example=("reason", "first"))


def _provenance(results: RunResults) -> tuple[page_data.ProvenanceEntry, ...]:
    artifacts = [("raw", results.raw), ("clean", results.validated.clean)]
    artifacts += [("windows", results.windows)] if results.windows else []
    artifacts += [(model.candidate.name, model.candidate.bundle) for model in trained_challengers(results.trained)]
    if isinstance(results.evaluated, EvaluationResult):
        artifacts += [("backtest", results.evaluated.backtest), ("scores", results.evaluated.scores)]
    if isinstance(results.registered, RegistrationResult):
        artifacts.append(("decision", results.registered.decision))
    artifacts += [("forecasts", results.forecasted.table)] if results.forecasted else []
    return tuple(page_data.ProvenanceEntry(name, artifact.digest, artifact.uri) for name, artifact in artifacts)


def _memories(results: RunResults, board: pd.DataFrame, store: Store) -> tuple[page_data.ModelMemory, ...]:
    """Return the memory of tonight's models in the order of the leaderboard; models that are not on it come last."""
    ranks = {digest: rank for rank, digest in enumerate(board["bundle"])} if "bundle" in board else {}
    models = [(model, network_view(model, store)) for model in trained_challengers(results.trained)]
    models.sort(key=lambda pair: ranks.get(pair[0].candidate.bundle.digest, len(ranks)))
    return tuple(page_data.ModelMemory(view, model.gradients) for model, view in models if view is not None)


def _references(results: RunResults) -> tuple[GradientCurve, ...]:
    networks = results.pictured.references if isinstance(results.pictured, MemoryDrawings) else ()
    return tuple(GradientCurve(network.name, network.memory, reference=True) for network in networks)
