"""The data of the morning page as plain values: `assemble` fills a `ReportData`, `render` turns it into HTML."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import pandas as pd

from tasks.charts.gradient_by_lag import GradientCurve
from tasks.charts.network_view import NetworkView
from tasks.report.decision_history import DecisionRow
from tasks.results.page_context import PageContext
from tasks.results.steps import Verdict


class HealthRow(NamedTuple):
    """One fact about the data, for example rows read, gaps, or the last observation."""

    label: str
    value: str
    note: str = ""
    state: Literal["good", "watch", "bad", ""] = ""


class FailureRow(NamedTuple):
    """A step that failed; `step` starts with the name of the step."""

    step: str
    reason: str


class LearningCurve(NamedTuple):
    """Losses of one model by epoch, and what its training has chosen from the data."""

    name: str
    train: tuple[float, ...]
    validation: tuple[float, ...]
    note: str = ""
    choices: tuple[str, ...] = ()


class ModelMemory(NamedTuple):
    """The measured memory of a model trained tonight, and the gradient norms of its layers by epoch."""

    view: NetworkView
    gradients: dict[str, tuple[float, ...]]


class ProvenanceEntry(NamedTuple):
    """A table, model or document that the page is based on, with the digest of its bytes."""

    name: str
    digest: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything the page shows. Times are UTC, `zone` is the display zone, y is in units of the source.

    Durations are not part of it: a rerun must write the same bytes. The manifest has the seconds of each step.
    """

    pipeline: str
    as_of: datetime
    zone: str
    cutoff: datetime
    run_id: str
    horizon: int
    freq: str
    season: int

    verdict: Verdict
    lines: tuple[str, ...]
    failures: tuple[FailureRow, ...] = ()
    warnings: tuple[str, ...] = ()  # what to look at besides failures; the last line names all

    leaderboard: pd.DataFrame  # model_name, role, mase, wql, mae, rmse, smape, coverage; best first
    metric: str
    decision: str
    sample: str = ""  # how many of the series were scored, if not all were
    changes: tuple[HealthRow, ...] = ()  # since the night before
    target: str = ""
    about: PageContext = field(default_factory=PageContext)
    previous_href: str | None = None
    decisions: tuple[DecisionRow, ...] = ()  # of this night and those before it, the newest first
    by_hand: tuple[str, ...] = ()  # who changed the champion since the night before, when and why

    history: pd.DataFrame  # unique_id, ds, y
    forecast: pd.DataFrame  # unique_id, ds, cutoff, step, y_hat, q05 …, model_name, source, degraded_reason
    yesterday: pd.DataFrame | None = None  # unique_id, ds, y_hat, q05 …, y
    accuracy: pd.DataFrame | None = None  # vintage, mae, mase, wql, coverage, rows
    by_step: pd.DataFrame = field(default_factory=pd.DataFrame)  # step, rows, mae, … of published forecasts

    health: tuple[HealthRow, ...] = ()
    quarantine: pd.DataFrame = field(default_factory=pd.DataFrame)  # rule, rows, series, example
    quarantine_uri: str = ""
    drift: pd.DataFrame | None = None  # the columns of the contract `drift`
    drift_summary: str = ""
    drift_href: str | None = None

    training: tuple[LearningCurve, ...] = ()
    memories: tuple[ModelMemory, ...] = ()  # best first
    references: tuple[GradientCurve, ...] = ()
    provenance: tuple[ProvenanceEntry, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
