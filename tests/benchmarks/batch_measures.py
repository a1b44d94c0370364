"""Peak of the resident memory of a process above what it holds at one moment. Only the standard library is imported."""

from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_start = [0.0]


def _mib(name: str) -> float:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def start_peak() -> None:
    """Begin to measure above what this process holds now."""
    _start[0] = _mib("VmRSS")
    RESET.write_text("5", encoding="ascii")


def measured_peak() -> float:
    """Return the peak above what the process held when the measurement began, in MiB."""
    return _mib("VmHWM") - _start[0]
