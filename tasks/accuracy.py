"""Compare the forecasts of earlier nights with the actuals that have arrived, and publish both.

A night publishes the actuals and scores that are new or have changed: each row is one version with its own as-of. What
the night before has scored is not computed again, unless something that it was computed from has changed.
"""

import contextlib
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from pydantic import ValidationError

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.engine.code_digest import code_digest
from tasks.engine.step import CacheInputs, step
from tasks.history.forecast_blocks import open_forecasts
from tasks.history.published import published_between
from tasks.history.versions import ACCURACY_KEY, ACTUALS_KEY, PublishedVersions, changed_rows, open_versions
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.monitoring.past_scores import VINTAGE, PastScores, open_kept_scores
from tasks.results.accuracy import AccuracyResult, ForecastsToScore, ScoringBasis
from tasks.results.manifest import read_finished
from tasks.results.steps import RevisionsResult
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import artifacts_dir, parse_vintage, vintage_uri
from tasks.storage.store import Store


class PastNights(NamedTuple):
    """What earlier nights published, and the result of the night before if its scores count again."""

    starts: dict[pd.Timestamp, pd.Timestamp]  # first time of each forecast by as-of
    ends: dict[pd.Timestamp, pd.Timestamp]
    actuals: list[Artifact]
    accuracy: list[Artifact]
    scored: AccuracyResult | None = None

    @property
    def published(self) -> dict[str, str]:
        """Digests of the published actuals and scores by path."""
        return {artifact.uri: artifact.digest for artifact in (*self.actuals, *self.accuracy)}


def load_past(sources: ForecastsToScore, setup: ForecastSetup, store: Store) -> CacheInputs:
    """List what the earlier nights published, which decides what this night adds: its digests are in the cache key."""
    context = sources.context
    with open_forecasts(sources.past, store) as forecasts:
        starts, ends = forecasts.starts, forecasts.ends
    # a night before the first forecast time had none of these actuals
    first = min(starts.values(), default=None)
    actuals, accuracy = (
        published_between(kind, context.pipeline, first, context.as_of, store) if sources.past else []
        for kind in ("actuals", "accuracy")
    )
    nights = PastNights(starts, ends, actuals, accuracy)
    nights = nights._replace(scored=_read_scored(sources, nights, _season(setup), store))
    inputs = {"sources": sources, "setup": setup, "known": nights.published, "scored": nights.scored}
    return CacheInputs(inputs, nights)


def _read_scored(sources: ForecastsToScore, nights: PastNights, season: int, store: Store) -> AccuracyResult | None:
    """Return the result of the night that the clean table was compared with, if it was computed as this one will be.

    What was published since its first forecast has to be what it knew, and has published itself: a vintage that is
    missing, damaged or of a night that ran later gives other new rows.
    """
    if not isinstance(sources.revised, RevisionsResult) or not nights.starts:
        return None
    first, basis = min(nights.starts.values()), (sources.revised.before, season, code_digest(__name__))
    for record in read_finished(store, sources.context.pipeline):
        try:
            scored = AccuracyResult.model_validate(record["story"].get("realised"))
        except ValidationError:  # a run that scored nothing, or of another release
            continue
        before = scored.basis
        is_earlier = pd.Timestamp(record["as_of"]) < pd.Timestamp(sources.context.as_of)
        if before is None or not is_earlier or (before.clean, before.season, before.code) != basis:
            continue
        known = {uri: digest for uri, digest in before.published.items() if pd.Timestamp(parse_vintage(uri)) >= first}
        if known == nights.published and scored.scores and store.contains(scored.scores):
            return scored
    return None


def _season(setup: ForecastSetup) -> int:
    return setup.evaluation.season or setup.view.season


@step(cache_key=load_past)
def score_past(
    sources: ForecastsToScore, setup: ForecastSetup, store: Store, read: PastNights | None = None
) -> AccuracyResult:
    """Score every earlier vintage that has actuals by now, and publish what no earlier night has published.

    A block of series at a time is read, so that no vintage is held as a whole. Scores of the night before are kept for
    vintages whose actuals it knew, unless a value of the series has changed since.

    Args:
        sources: The clean table of this night, the published forecasts of earlier nights, and what has changed since.
        setup: The season length for the scale of MASE.
        store: The store that holds the forecasts and takes the tables.
        read: What `load_past` has listed; None lists it.

    Returns:
        All scores of this night, and the published tables: None if no earlier forecast has an actual, or none is new.

    Raises:
        StoreDamaged: A table is missing or its digest differs.
    """
    table, context = load_clean_table(sources.clean, store), sources.context
    earlier: PastNights = read or load_past(sources, setup, store).loaded
    with contextlib.ExitStack() as stack:
        forecasts = stack.enter_context(open_forecasts(sources.past, store))
        kept = stack.enter_context(open_kept_scores(earlier.scored, sources, earlier.ends, store))
        past = PastScores(forecasts, table, pd.Timestamp(context.as_of).as_unit("us"), kept)
        known = stack.enter_context(open_versions(earlier.accuracy, ACCURACY_KEY, store))
        new, newest = list[pd.DataFrame](), list[pd.DataFrame]()

        def scores() -> Iterator[pd.DataFrame]:
            for block, accuracy, computed in past.scores(_season(setup), earlier.starts):
                if len(computed):
                    versions = known.newest(*block) if past.may_be_scored(computed) else pd.DataFrame()
                    new.append(changed_rows(computed, versions, ACCURACY_KEY, exact=False))
                newest.append(accuracy[accuracy[VINTAGE] == accuracy[VINTAGE].max()])
                yield accuracy

        stored = _store_parts(scores(), "accuracy", store, artifacts_dir("vintage-scores"))
        if stored is None:
            return AccuracyResult()
        versions = stack.enter_context(open_versions(earlier.actuals, ACTUALS_KEY, store))
        actuals = _publish(_new_actuals(past, versions), "actuals", table, sources, setup, store)
        accuracy = _publish(iter(new), "accuracy", table, sources, setup, store)
        own = {artifact.uri: artifact.digest for artifact in (actuals, accuracy) if artifact}
        return AccuracyResult(
            actuals=actuals,
            accuracy=accuracy,
            scores=stored,
            basis=ScoringBasis(
                clean=sources.clean.digest,
                until=table.newest_known(),
                season=_season(setup),
                code=code_digest(__name__),
                forecasts={night.as_of.isoformat(): night.file.digest for night in sources.past},
                published=earlier.published | own,
            ),
            summary=_describe_newest(pd.concat(newest)),
        )


def _new_actuals(past: PastScores, versions: PublishedVersions) -> Iterator[pd.DataFrame]:
    """Yield the actuals that no earlier night has published, a block of series at a time."""
    for block, rows in past.actuals():
        known = versions.newest(*block) if past.may_be_published(rows) else pd.DataFrame()
        yield changed_rows(rows, known, ACTUALS_KEY, exact=True)


def _store_parts(parts: Iterator[pd.DataFrame], kind: str, store: Store, folder: str | None = None) -> Artifact | None:
    """Store the parts that have a row; None without any."""
    filled = (part for part in parts if len(part))
    first = next(filled, None)
    return None if first is None else store.put_parts(itertools.chain([first], filled), kind, folder)


def _publish(
    parts: Iterator[pd.DataFrame],
    kind: str,
    clean: PanelTable,
    sources: ForecastsToScore,
    setup: ForecastSetup,
    store: Store,
) -> Artifact | None:
    """Publish the new rows of a night; a night without any publishes no file."""
    labels, context = clean.labels, sources.context
    stored = _store_parts((add_id_columns(part, labels, setup.id_columns) for part in parts), kind, store)
    return stored and store.publish(stored, vintage_uri(kind, context.pipeline, context.as_of))


def _describe_newest(accuracy: pd.DataFrame) -> str:
    newest = accuracy[accuracy[VINTAGE] == accuracy[VINTAGE].max()]
    return (
        f"the forecast of {newest[VINTAGE].iloc[0]:%Y-%m-%d} has MASE {newest['mase'].mean():.3f} and "
        f"{newest['coverage'].mean():.0%} of {int(newest['rows'].sum())} actuals inside the interval"
    )
