"""What the morning page shows, in plain values: the caller fills a `Morning`, `tasks._page` renders it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import pandas as pd

from tasks.charts.gradient_by_lag import GradientCurve
from tasks.charts.network_view import NetworkView
from tasks.results.steps import Verdict


class HealthRow(NamedTuple):
    """One fact about the data: rows read, gaps filled, the last observation."""

    label: str
    value: str
    note: str = ""
    state: Literal["good", "watch", "bad", ""] = ""


class FailureRow(NamedTuple):
    """A step that failed and did not stop the night; `step` starts with the step's name."""

    step: str
    reason: str


class LearningCurve(NamedTuple):
    """Loss by epoch of one model."""

    name: str
    train: tuple[float, ...]
    validation: tuple[float, ...]
    note: str = ""


class ModelMemory(NamedTuple):
    """What one model of tonight remembers, and the gradient norms of its layers by epoch."""

    drawn: NetworkView
    gradients: dict[str, tuple[float, ...]]


class ProvenanceEntry(NamedTuple):
    """Where a number comes from: a table, a model, a document, and the digest of its bytes."""

    what: str
    digest: str
    detail: str = ""


class StepRow(NamedTuple):
    """One step of the night and the seconds it took."""

    name: str
    seconds: float
    state: Literal["ran", "cached", "failed"]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that the page shows, in plain values; times are UTC, `unit` is what y counts."""

    pipeline: str
    as_of: datetime
    zone: str
    cutoff: datetime
    run_id: str
    horizon: int
    freq: str
    season: int
    unit: str = ""

    verdict: Verdict
    lines: tuple[str, ...]
    failures: tuple[FailureRow, ...] = ()

    leaderboard: pd.DataFrame  # model_name, role, mase, wql, mae, rmse, smape, coverage, train_seconds; best first
    metric: str
    decision: str

    history: pd.DataFrame  # unique_id, ds, y
    forecast: pd.DataFrame  # unique_id, ds, cutoff, step, y_hat, q05 …, model_name, source, degraded_reason
    yesterday: pd.DataFrame | None = None  # unique_id, ds, y_hat, q05 …, y
    accuracy: pd.DataFrame | None = None  # vintage, mae, mase, wql, coverage, rows

    health: tuple[HealthRow, ...] = ()
    quarantine: pd.DataFrame = field(default_factory=pd.DataFrame)  # rule, rows, series, example
    quarantine_uri: str = ""
    drift: pd.DataFrame | None = None  # column, test, statistic, threshold, drifted
    drift_summary: str = ""
    drift_href: str | None = None

    training: tuple[LearningCurve, ...] = ()
    memories: tuple[ModelMemory, ...] = ()  # best first
    references: tuple[GradientCurve, ...] = ()
    provenance: tuple[ProvenanceEntry, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    steps: tuple[StepRow, ...] = ()
