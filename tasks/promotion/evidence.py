"""Gains of challengers over a champion, as the nights record them: evidence that outlives the test part of one night.

tonight      ·  ·  ·  o  o  o  o  o  o     origins of the test part: tonight's challenger against the champion
night before ·  ·  o  o  o  o  o  o        that night's challenger of the same name against the same champion
             └───┬───┘
                 earlier origins, each from the newest night that has it

A test part holds few origins. Those that left it were forecast by models that had not seen them either, so a steady
advantage of a recipe becomes significant after some weeks although no single night shows it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from data_contracts.spec import Spec
from tasks.modeling.candidate import Candidate
from tasks.registry.champions import list_decisions_before
from tasks.storage.store import Store

MAX_ORIGINS = 112


class Evidence(NamedTuple):
    """What a test uses in addition to the losses of a night.

    `overlap` is the number of origins that one horizon covers, `earlier` the gains at earlier origins (UTC) by
    challenger, in shares of the mean loss of the champion, and `nights` the earlier nights that compared it.
    """

    overlap: int = 1
    earlier: Mapping[str, pd.Series] = {}
    nights: Mapping[str, int] = {}

    @classmethod
    def of(cls, overlap: int, nights: "Iterable[RecordedGains]") -> "Evidence":
        """Collect the evidence of earlier nights, the latest first."""
        recorded = tuple(nights)
        return cls(overlap, earlier_gains(recorded), Counter(name for night in recorded for name in night.gains))


class RecordedGains(Spec):
    """Gains of one night over a champion: by name of the challenger and origin (ISO 8601), in shares of its mean loss.

    `champion` is the digest of its bundle, `baseline` the name of the baseline that forecast in its place, if any.
    """

    metric: str
    champion: str
    gains: dict[str, dict[str, float]]
    baseline: str = ""

    @classmethod
    def of_night(cls, losses: pd.DataFrame, metric: str, champion: Candidate, challengers: Iterable[Candidate]) -> Self:
        """Collect the gains of one night. A challenger with a gain that is not finite is left out.

        Args:
            losses: Losses, (origins, models), with a column per label, indexed by origin (UTC).
            metric: The metric of the losses.
            champion: The champion before the decision.
            challengers: The models of this night.

        Returns:
            The record.
        """
        gains = {
            model.name: relative_gains(losses[model.label], losses[champion.label])
            for model in challengers
            if champion.label in losses and model.label in losses
        }
        recorded = {
            name: {f"{origin:%Y-%m-%dT%H:%M:%SZ}": float(gain) for origin, gain in values.items()}
            for name, values in gains.items()
            if np.isfinite(values).all()
        }
        return cls(metric=metric, champion=champion.bundle.digest, gains=recorded)


def relative_gains(challenger: pd.Series, champion: pd.Series) -> pd.Series:
    """Return the gain of a challenger at each origin in shares of the champion's mean loss; NaN if that is 0."""
    mean = champion.mean()
    return (champion - challenger) / (mean if mean else np.nan)


def list_recorded_gains(
    pipeline: str, as_of: datetime, champion: Candidate | None, metric: str, store: Store
) -> tuple[RecordedGains, ...]:
    """List what the nights before `as_of` have recorded against the same champion, the latest first.

    Args:
        pipeline: Name of the pipeline.
        as_of: The night that decides.
        champion: The champion of that night. Without one nothing is listed.
        metric: The metric of that night.
        store: The store that holds the decision records.

    Returns:
        At most MAX_ORIGINS records, back to the first that has another champion or metric, or that a person has made.
    """
    nights: list[RecordedGains] = []
    for record in list_decisions_before(pipeline, as_of, store) if champion else ():
        night = RecordedGains.model_validate(record["gains"]) if record.get("gains") else None
        if night is None or not champion or (night.metric, night.champion) != (metric, champion.bundle.digest):
            break
        nights.append(night)
        if len(nights) == MAX_ORIGINS:
            break
    return tuple(nights)


def earlier_gains(nights: Iterable[RecordedGains]) -> Mapping[str, pd.Series]:
    """Join the gains of several nights.

    Args:
        nights: The records, the latest first.

    Returns:
        Gains by name of the challenger, indexed by origin (UTC) in order of time; of several records of an origin the
        latest.
    """
    gains: dict[str, dict[str, float]] = {}
    for night in nights:
        for name, values in night.gains.items():
            gains[name] = values | gains.get(name, {})
    tables = {name: pd.Series(values, dtype=float) for name, values in sorted(gains.items())}
    return {name: table.set_axis(pd.to_datetime(table.index, utc=True)).sort_index() for name, table in tables.items()}


def join_gains(earlier: pd.Series | None, tonight: pd.Series) -> np.ndarray:
    """Return the gains at earlier origins and at those of tonight, (origins,), the newest MAX_ORIGINS at most."""
    if earlier is None or earlier.empty:
        return tonight.to_numpy(float)
    before = earlier[earlier.index < tonight.index.min()]
    return np.concatenate([before.to_numpy(float), tonight.to_numpy(float)])[-max(MAX_ORIGINS, len(tonight)) :]
