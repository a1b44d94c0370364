"""What a trained network remembers, in windows of the validation part, and in words."""

from collections.abc import Iterator

from models.diagnostics.memory import GateStatistics, Memory


def explain_short_memory(memory: Memory) -> str:
    """Why a network can't see one season back; empty where it does."""
    if memory.sees_a_season:
        return ""
    lookback, season = len(memory.forecast), memory.season
    if lookback < season:
        return f"it can't see a season back: its lookback of {lookback} steps is shorter than a season of {season}"
    if not memory.effective:
        return f"it can't see a season ({season} steps) back: nothing that it reads matters to its forecast"
    return (
        f"it can't see a season back: its forecast depends on the last {memory.effective} of the {lookback} steps "
        f"that it reads, and a season is {season}"
    )


def gate_saturation(uses: tuple[GateStatistics, ...]) -> float:
    """Mean share of activations that are as good as shut or open; NaN where no gate was looked at."""
    gates = [use for use in uses if use.gate != "new"] or list(uses)
    return sum(use.low + use.high for use in gates) / len(gates) if gates else float("nan")


def memory_metrics(memory: Memory) -> Iterator[tuple[str, float]]:
    """Name and value of each number that goes with a training run."""
    yield "effective_memory", float(memory.effective)
    yield "effective_memory_recurrence", float(memory.effective_recurrence)
    yield "gate_saturation", gate_saturation(memory.gates)
    for use in memory.gates:
        way = ".back" if use.direction == "backward" else ""
        for name in ("mean", "low", "high"):
            yield f"gate.l{use.layer}{way}.{use.gate}.{name}", float(getattr(use, name))
