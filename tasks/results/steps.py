"""Results of the steps, in the order of the night: artifacts and numbers, one frozen model per step.

The keys of the manifest are the names of these fields.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.diagnostics.measurements import Memory
from tasks.modeling.candidate import Candidate
from tasks.modeling.series import ExtremeValue
from tasks.results.evaluation import EvaluationResult
from tasks.results.forecast import Fallback, ForecastOptions, ForecastResult
from tasks.results.row_counts import RowCounts

__all__ = ["EvaluationResult", "Fallback", "ForecastOptions", "ForecastResult"]  # of their own files

Verdict = Literal["good", "watch", "bad"]


class RunContext(Spec):
    """The pipeline, the run id and the as-of that every record of a run carries."""

    pipeline: str
    run_id: str
    as_of: datetime


class ValidatedTable(Spec):
    """Result of `validate`: the clean table, its cutoff, the rejected rows and the findings as sentences."""

    clean: Artifact
    cutoff: datetime
    quarantine: Artifact | None
    findings: tuple[str, ...]
    health: RowCounts
    notes: tuple[str, ...] = ()
    """Sentences that need no action: rows of a period that runs, closed times."""
    extreme: tuple[ExtremeValue, ...] = ()

    @property
    def sentence(self) -> str:
        """Counts of used, excluded and quarantined data, for the run log."""
        excluded, quarantined = len(self.health.set_aside), self.health.quarantined
        parts = (
            f"{self.health.used:,} rows of {self.health.series} series",
            f"{excluded} series excluded" if excluded else "",
            f"{quarantined:,} in quarantine" if quarantined else "",
            f"{self.health.held_back:,} held back" if self.health.held_back else "",
        )
        return ", ".join(filter(None, parts))


class RevisionsResult(Spec):
    """Result of `list_revisions`: how many past values changed since the night before, and the table of changes.

    `table` is None if nothing changed; `first` describes the first change; `before` is the digest of the clean table of
    the night before, empty on a first night.
    """

    late: int = 0
    rewritten: int = 0
    gone: int = 0
    table: Artifact | None = None
    first: str = ""
    before: str = ""

    @property
    def sentence(self) -> str:
        """Counts by kind of revision, for the run log."""
        counts = {"late": self.late, "rewritten": self.rewritten, "gone": self.gone}
        return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count) or "nothing changed"


class TrainingResult(Spec):
    """Result of `train`: a challenger and its learning curves, mean pinball losses in scaled units by epoch.

    `gradients` are mean norms before clipping, by epoch for each layer; `drawings` are SVG files of its memory.
    `choices` are sentences on what training has chosen from the data.
    """

    candidate: Candidate
    train_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float
    note: str = ""
    gradients: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    memory: Memory | None = None
    drawings: dict[str, Artifact] = Field(default_factory=dict)
    choices: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Epochs and best validation loss, for the run log."""
        best = min(self.validation_losses, default=float("nan"))
        return f"{self.candidate.name}: {len(self.train_losses)} epochs, best validation loss {best:.4f} {self.note}"


class ReferenceNetwork(Spec):
    """A network trained for a few steps, only to be compared in a drawing. It is never a candidate."""

    name: str
    memory: Memory


class MemoryDrawings(Spec):
    """Result of `draw_memory`: drawings by bundle digest and name, and the references in the gradient drawing."""

    drawings: dict[str, dict[str, Artifact]]
    references: tuple[ReferenceNetwork, ...] = ()

    @property
    def sentence(self) -> str:
        """Count of drawn models and names of the references, for the run log."""
        references = ", ".join(reference.name for reference in self.references)
        return f"{len(self.drawings)} models drawn" + (f", for reference also {references}" if references else "")


class RegistrationResult(Spec):
    """Result of `register`: the champion after this night, whether it is new, why, and the decision record.

    `fallback` is the baseline that forecasts in place of the champion, because it is significantly better. `excess`
    says that the champion forecasts although its loss is far above that of a baseline.
    """

    champion: Candidate | None
    moved: bool
    reason: str
    decision: Artifact
    fallback: Fallback | None = None
    excess: str = ""

    @property
    def sentence(self) -> str:
        """The reason of the decision, for the run log."""
        return self.reason


class DriftEpisode(Spec):
    """A period in which a column had drifted: its first and last observation. Later nights do not compare with it."""

    column: str
    first: datetime
    last: datetime


class DriftResult(Spec):
    """Result of `watch_drift`: a row per column, Evidently's page and record, and the share of drifted columns.

    `scripts` are the files, of JavaScript and CSS, that the page shares with those of other nights. `episodes` are the
    periods that later nights leave out of their references.
    """

    table: Artifact
    page: Artifact
    record: Artifact
    scripts: tuple[Artifact, ...] = ()
    episodes: tuple[DriftEpisode, ...] = ()
    share: float
    drifted: bool
    summary: str

    @property
    def sentence(self) -> str:
        """Count and names of drifted columns, for the run log."""
        return self.summary


class StatesResult(Spec):
    """Result of `keep_states`: the file of kept states, the digest of the model that they belong to, and its series.

    `obstacle` is the reason why a champion has no states.
    """

    states: Artifact | None = None
    model: str = ""
    series: int = 0
    obstacle: str = ""

    @property
    def sentence(self) -> str:
        """The reason why there are none, for the run log."""
        return f"none kept: {self.obstacle}" if self.obstacle else ""


class ReportResult(Spec):
    """Result of `report`: the morning page, its verdict and first lines, and the leaderboard, best first."""

    page: Artifact
    picture: Artifact | None = None
    verdict: Verdict
    lines: tuple[str, ...]
    leaderboard: tuple[dict[str, str | float | int | None], ...] = ()
    decisions: tuple[dict[str, str | float | None], ...] = ()
    """Promotion decisions of this night and those before it, the newest first."""

    @property
    def sentence(self) -> str:
        """The verdict, for the run log."""
        return self.verdict


class TrialResult(Spec):
    """Result of `try_out`: validation losses by epoch in normalised units, and the metric to compare trials by."""

    name: str
    state: Literal["done", "pruned", "failed"]
    losses: tuple[float, ...]
    metric: float | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def sentence(self) -> str:
        """State, epochs and metric of the trial, for the run log."""
        metric = "" if self.metric is None else f" {self.metric:.4f} on the validation windows"
        return f"{self.name}: {self.state} after {len(self.losses)} epochs{metric}"
