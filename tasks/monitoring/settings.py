"""Settings of the drift tests, and the lengths of the parts that they compare."""

from pydantic import Field, PositiveInt

from data_contracts.spec import SettingsSpec
from models.data.calendar import seasons
from models.data.panel import InputSpec
from models.data.windows import MAX_PART_STEPS
from models.drift.detection import MIN_CYCLES, DriftWindows


class DriftSpec(SettingsSpec):
    """Settings of the drift test: its level, the share of columns that raises the alarm, and the lengths of both parts.

    `level` bounds the rate of nights on which a stationary panel shows drift, over all its columns and series. Each
    static column, the forecasts and their errors have the same level, and raise the alarm whatever `share` is.
    """

    level: float = Field(0.01, gt=0, lt=1)
    share: float = Field(
        0.0, ge=0, le=1, description="share of drifted columns that raises the alarm; at least one does"
    )
    current: PositiveInt | None = Field(
        None, le=MAX_PART_STEPS, description="newest steps; by default the longest season"
    )
    reference: PositiveInt | None = Field(
        None, le=MAX_PART_STEPS, description="steps before those; by default eight times as many"
    )


def drift_windows(view: InputSpec, spec: DriftSpec, steps: int) -> DriftWindows:
    """Return the lengths of the parts, of a block and of the season, in steps.

    Args:
        view: Frequency and horizon, from which the default lengths follow.
        spec: Lengths that the pipeline sets.
        steps: Length of the history. If it is shorter than both parts, the current part is its newest fifth.

    Returns:
        The lengths. The season is the longest of the frequency that the reference holds MIN_CYCLES times.
    """
    lengths = seasons(view.freq)
    current = spec.current or max(lengths[-1], view.horizon)
    reference = spec.reference or 8 * current
    if current + reference > steps:
        current = max(1, steps // 5)
        reference = max(1, steps - current)
    block = min(lengths[0] if len(lengths) > 1 else 1, current)
    fitting = [length for length in lengths if length * MIN_CYCLES <= reference and length >= block]
    return DriftWindows(reference, current, block, fitting[-1] if fitting else block)
