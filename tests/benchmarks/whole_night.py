"""Run one night of a large table and print, for each step, processor seconds and peak memory as one JSON line.

Usage: python whole_night.py FOLDER AS_OF [FLOW [END]], with FOLDER/big.yaml; another flow than nightly runs without
Prefect, and a backtest from AS_OF to END. The peak of a step is that of its own (VmHWM is reset); the maximum of the
kernel (ru_maxrss) would be that of the process that started this one, if that was larger.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from tasks.engine.step import Step

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_mib() -> float:
    """Return the peak of the resident memory since the last reset."""
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(folder: str, as_of: str, name: str = "nightly", *end: str) -> None:
    """Run the night, or another flow, and print its measurements."""
    os.environ["NIGHTCAST_STORE"] = f"{folder}/store"
    steps, between = dict[str, dict[str, float]](), [0.0]
    run = Step._run_cached

    def measured(step: Step[Any, Any], inputs: dict[str, Any]) -> Any:
        between.append(peak_mib())
        RESET.write_text("5", encoding="ascii")
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            return run(step, inputs)
        finally:
            entry = steps.setdefault(step.name, {"cpu_s": 0.0, "wall_s": 0.0, "peak_mib": 0.0})
            entry["cpu_s"] += time.process_time() - cpu
            entry["wall_s"] += time.perf_counter() - wall
            entry["peak_mib"] = max(entry["peak_mib"], peak_mib())

    Step._run_cached = measured  # type: ignore[method-assign,assignment]
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    call = flow if name == "nightly" else flow.fn

    began = time.perf_counter()
    call(f"{folder}/big.yaml", as_of, *end)
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": time.perf_counter() - began}
    peak = max(*between, peak_mib(), *(entry["peak_mib"] for entry in steps.values()))
    print(json.dumps({"steps": steps, "total": total | {"peak_mib": peak}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
