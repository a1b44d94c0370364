"""Effective memory: explain why a network cannot see one season back, and name its numbers for the run log."""

from collections.abc import Iterator

from models.diagnostics.measurements import GateStatistics, Memory


def explain_short_memory(memory: Memory) -> str:
    """Explain why the network can't see one season back; empty if it does."""
    if memory.sees_a_season:
        return ""
    lookback, season = len(memory.forecast), memory.season
    if lookback < season:
        return f"it can't see a season back: its lookback of {lookback} steps is shorter than a season of {season}"
    if not memory.effective:
        return (
            f"it can't see a season back: its forecast depends on none of the {lookback} steps that it reads, and a "
            f"season is {season}"
        )
    return (
        f"it can't see a season back: its forecast depends on the last {memory.effective} of the {lookback} steps "
        f"that it reads, and a season is {season}"
    )


def gate_saturation(statistics: tuple[GateStatistics, ...]) -> float:
    """Return the mean share of gate activations that are almost shut or open; NaN without gates.

    Candidates (`new`) count only if the network has no other gate.
    """
    gates = [gate for gate in statistics if gate.gate != "new"] or list(statistics)
    return sum(gate.low + gate.high for gate in gates) / len(gates) if gates else float("nan")


def memory_metrics(memory: Memory) -> Iterator[tuple[str, float]]:
    """Yield name and value of each memory metric that is logged with a training run."""
    yield "effective_memory", float(memory.effective)
    yield "effective_memory_recurrence", float(memory.effective_recurrence)
    yield "gate_saturation", gate_saturation(memory.gates)
    for gate in memory.gates:
        suffix = ".back" if gate.direction == "backward" else ""
        for name in ("mean", "low", "high"):
            yield f"gate.l{gate.layer}{suffix}.{gate.gate}.{name}", float(getattr(gate, name))
