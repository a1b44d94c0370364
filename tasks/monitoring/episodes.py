"""Periods in which a column had drifted: later nights leave them out of the reference, so that drift is not forgotten.

reference                                        newest
├─ season ─┼─ season ─┼─ drifted ─┼─ drifted ─┼─ season ─┤    a season before the others takes the place of each
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from models.drift.detection import ALARM_NIGHTS, DriftWindows
from tasks.results.manifest import read_finished, read_newest_night
from tasks.results.steps import DriftEpisode, DriftResult, RunContext
from tasks.storage.store import Store
from tasks.storage.vintages import Published

MAX_FAILED_NIGHTS = 3  # in a row, before all manifests are read


def read_episodes(past: Sequence[Published], context: RunContext, store: Store) -> tuple[DriftEpisode, ...]:
    """Read the episodes of the newest earlier night that watched for drift.

    Args:
        past: Published vintages, oldest first: the manifests of the newest are read first.
        context: The pipeline, and the as-of that the night must be before.
        store: The store of the manifests.

    Returns:
        The episodes; none if no night has watched for drift.
    """
    recent = (read_newest_night(past[:end], context.pipeline, store) for end in range(len(past), 0, -1))
    for results in itertools.chain(itertools.islice(recent, MAX_FAILED_NIGHTS), _all_results(context, store)):
        with contextlib.suppress(ValidationError):
            return DriftResult.model_validate(results.get("drifted")).episodes
    return ()


def _all_results(context: RunContext, store: Store) -> Iterator[dict[str, Any]]:
    """Yield the results of all runs before a night, the newest as-of first: reading every manifest takes long."""
    records = [(pd.Timestamp(record["as_of"]), record["story"]) for record in read_finished(store, context.pipeline)]
    earlier = [(as_of, results) for as_of, results in records if as_of < pd.Timestamp(context.as_of)]
    yield from (results for _, results in sorted(earlier, key=lambda record: record[0], reverse=True))


def select_episodes(
    episodes: Iterable[DriftEpisode],
    times: pd.DatetimeIndex,
    windows: DriftWindows,
    trained_until: pd.Timestamp | None,
) -> tuple[DriftEpisode, ...]:
    """Select the episodes that references leave out.

    Args:
        episodes: Those of earlier nights.
        times: Times of the newest steps, in order.
        windows: Lengths of the parts.
        trained_until: The last target that the champion was trained on, if it is on record.

    Returns:
        The episodes on which no champion was trained, and that began within the length of the reference: after that
        the change has been reported for so long that it is the normal state.
    """
    oldest = times[-min(windows.reference + windows.current, len(times))]
    return tuple(
        episode
        for episode in episodes
        if pd.Timestamp(episode.first) >= oldest
        and (trained_until is None or trained_until <= pd.Timestamp(episode.first))
    )


def mark_episodes(episodes: Iterable[DriftEpisode], times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """Return by column which of the times lie in an episode, (T,) bool; only columns with one."""
    marks: dict[str, np.ndarray] = {}
    for episode in episodes:
        inside = np.asarray((times >= pd.Timestamp(episode.first)) & (times <= pd.Timestamp(episode.last)))
        marks[episode.column] = marks.get(episode.column, False) | inside
    return marks


def continue_episodes(
    episodes: Sequence[DriftEpisode], drifted: Iterable[str], times: pd.DatetimeIndex, windows: DriftWindows
) -> tuple[DriftEpisode, ...]:
    """Add the drift of a night to the episodes.

    Args:
        episodes: Those that references leave out.
        drifted: Columns that drifted.
        times: Times of the newest steps, in order.
        windows: Lengths of the parts.

    Returns:
        The episodes. Drift began at least as many blocks ago as nights are needed for an alarm; an episode that
        reaches there goes on to the newest step.
    """
    first, last = times[-min(ALARM_NIGHTS * windows.block, len(times))], times[-1]
    result = list(episodes)
    for column in drifted:
        own = [episode for episode in result if episode.column == column and pd.Timestamp(episode.last) >= first]
        begin = min([first, *(pd.Timestamp(episode.first) for episode in own)])
        result = [episode for episode in result if episode not in own]
        result.append(DriftEpisode(column=column, first=begin.to_pydatetime(), last=last.to_pydatetime()))
    return tuple(result)
