"""Results of the steps of a backtest: what was known at each origin, the forecasts, and the scores."""

from datetime import datetime
from typing import Any, Literal

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec

Known = Literal["known_at", "snapshot", "current"]


class Origin(Spec):
    """One origin: its as-of, the last observation before it, and the clean table that a model sees there.

    `known` is how the table was found: from row versions, from the snapshot of a night, or from the values of now.
    """

    as_of: datetime
    cutoff: datetime
    known: Known
    clean: Artifact


class SkippedOrigin(Spec):
    """An origin without a forecast, and why."""

    as_of: datetime
    reason: str


class OriginList(Spec):
    """The origins of a backtest, oldest first, and those that are skipped."""

    origins: tuple[Origin, ...]
    skipped: tuple[SkippedOrigin, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of origins by how their table was found."""
        kinds = [origin.known for origin in self.origins]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


class BacktestScores(Spec):
    """Result of `score_backtest`: the forecasts with their actuals, the scores, and those overall as records."""

    forecasts: Artifact
    scores: Artifact
    overall: tuple[dict[str, Any], ...]

    @property
    def sentence(self) -> str:
        """Rows and models, for the run log."""
        return f"{self.forecasts.rows:,} forecasts of {len(self.overall)} models scored"


class BacktestOutcome(Spec):
    """How a backtest ended. `backtest --json` prints these fields.

    `known` counts origins by what the models saw, `in_sample` those by model that lie in its training data; `notes` are
    sentences about both. `leaderboard` has the scores overall, best first.
    """

    pipeline: str
    as_of: datetime
    first: datetime
    last: datetime
    origins: int
    series: int
    refit: str
    weights: str
    known: dict[str, int]
    in_sample: dict[str, int]
    skipped: tuple[SkippedOrigin, ...]
    notes: tuple[str, ...]
    metric: str
    leaderboard: tuple[dict[str, Any], ...]
    forecasts: Artifact
    scores: Artifact
    sentence: str
