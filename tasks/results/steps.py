"""Results of the steps: artifacts and numbers, one model per step."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec
from models.diagnostics.memory import Memory
from models.training.recipe import Recipe
from tasks.modeling.candidate import Candidate

Verdict = Literal["good", "watch", "bad"]


class EvaluationResult(Spec):
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


class RunContext(Spec):
    """Which night this is: the names that its records carry."""

    pipeline: str
    run_id: str
    as_of: datetime


class RegistrationResult(Spec):
    """The champion after tonight, whether it is a new one, and why; `decision` is the entry in the ledger itself."""

    champion: Candidate | None
    moved: bool
    reason: str
    decision: Artifact

    @property
    def sentence(self) -> str:
        return self.reason


class RevisionsResult(Spec):
    """How many values changed since the night before, and the table of them; None where none did."""

    late: int = 0
    rewritten: int = 0
    gone: int = 0
    table: Artifact | None = None
    first: str = ""

    @property
    def sentence(self) -> str:
        counts = {"late": self.late, "rewritten": self.rewritten, "gone": self.gone}
        return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "nothing changed"


class ReportResult(Spec):
    """The page, its verdict and its first three lines; `leaderboard` has a row a candidate, best first."""

    page: Artifact
    picture: Artifact | None = None
    verdict: Verdict
    lines: tuple[str, ...]
    leaderboard: tuple[dict[str, str | float | int | None], ...] = ()

    @property
    def sentence(self) -> str:
        return self.verdict


class AccuracyResult(Spec):
    """Errors of the vintages whose actuals have arrived; both None on a first night."""

    actuals: Artifact | None = None
    accuracy: Artifact | None = None
    summary: str = "no earlier forecast to score"

    @property
    def sentence(self) -> str:
        return self.summary


class TrainingResult(Spec):
    """A challenger and how it learned: losses are mean pinball losses in scaled units, one an epoch.

    `gradients` are mean norms before clipping, one an epoch for each layer; `drawings` are SVG files of its memory.
    """

    candidate: Candidate
    train_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    seconds: float
    note: str = ""
    gradients: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    memory: Memory | None = None
    drawings: dict[str, Artifact] = Field(default_factory=dict)

    @property
    def sentence(self) -> str:
        best = min(self.validation_losses, default=float("nan"))
        return f"{self.candidate.name}: {len(self.train_losses)} epochs, best validation loss {best:.4f} {self.note}"


class DriftResult(Spec):
    """What was watched, what drifted, and the two reports."""

    table: Artifact
    page: Artifact
    record: Artifact
    share: float
    drifted: bool
    summary: str

    @property
    def sentence(self) -> str:
        return self.summary


class ReferenceNetwork(Spec):
    """A network that was trained for a moment, and is no candidate."""

    name: str
    memory: Memory


class MemoryDrawings(Spec):
    """The drawings of each model by the digest of its bundle, and what stood beside them in the one of all cells."""

    drawings: dict[str, dict[str, Artifact]]
    references: tuple[ReferenceNetwork, ...] = ()

    @property
    def sentence(self) -> str:
        beside = ", ".join(one.name for one in self.references)
        return f"{len(self.drawings)} models drawn" + (f", beside {beside} for reference" if beside else "")


class RowCounts(Spec):
    """What became of the rows: read = used + quarantined. Of a wide table each cell of a target is one."""

    read: int
    used: int
    quarantined: int
    known_ahead: int
    gaps: int
    series: int
    ended: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    """Series that a rule put out for this night: all their rows lie in quarantine."""
    superseded: int = 0
    """Older versions of rows of which a newer one is known: not among the rows read."""


class ValidatedTable(Spec):
    """The clean table, its cutoff, the rejected rows and what was found."""

    clean: Artifact
    cutoff: datetime
    quarantine: Artifact | None
    findings: tuple[str, ...]
    health: RowCounts

    @property
    def sentence(self) -> str:
        told = f"{self.health.used:,} rows of {self.health.series} series"
        told += f", {len(self.health.set_aside)} series set aside" if self.health.set_aside else ""
        return told + (f", {self.health.quarantined:,} in quarantine" if self.health.quarantined else "")


class TrialResult(Spec):
    """`losses`: of the validation windows in normalised units, one an epoch. `metric`: the one to compare by."""

    name: str
    state: Literal["done", "pruned", "failed"]
    losses: tuple[float, ...]
    metric: float | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def sentence(self) -> str:
        told = "" if self.metric is None else f" {self.metric:.4f} on the validation windows"
        return f"{self.name}: {self.state} after {len(self.losses)} epochs{told}"


class TrialSpec(Spec):
    """One configuration, and the middling loss after each epoch of those before; empty where too few are done to tell.

    `label` is for people who watch.
    """

    recipe: Recipe
    medians: tuple[float, ...] = ()
    label: str = ""

    def is_behind(self, losses: list[float]) -> bool:
        """Whether it is to be given up with these losses; the first epoch is for free."""
        epoch = len(losses) - 1
        return 0 < epoch < len(self.medians) and min(losses) > self.medians[epoch]


class Fallback(Spec):
    """One model that may forecast tonight, and why it has to, if it is not the champion."""

    candidate: Candidate
    degraded_reason: str | None = None


class ForecastOptions(Spec):
    """Who may forecast tonight: the champion after the gate and, where there was one, tonight's evaluation."""

    champion: Candidate | None
    formers: tuple[Candidate, ...] = ()
    evaluated: EvaluationResult | None = None


class ForecastResult(Spec):
    """The stored table, the file that analysts read, and who forecast."""

    table: Artifact
    published: Artifact
    rung: Fallback
    last: datetime
    series: int
    left_out: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        told = f"{self.table.rows:,} rows by {self.rung.candidate.label}"
        return f"{told} ({self.rung.degraded_reason})" if self.rung.degraded_reason else told
