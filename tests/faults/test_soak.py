"""Sixty nights in one process with random faults: memory, handles, threads, databases and store, drawn over time.

What must stay flat: handles, threads, memory after the first nights, and what is added to store and registry per night.
"""

import gc
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.faults import harness
from tests.faults.invariants import violations
from tests.faults.test_faults_of_steps import STEPS

NIGHTS, WARM = 60, 20  # nights; those until memory is settled
MAX_MEMORY_GROWTH_MB = 40.0  # from night WARM to the last
CHARTS = ("memory_mb", "handles", "threads", "store_mb", "registry_mb", "seconds")
OPTIONAL = ("list_revisions", "draw_memory", "evaluate", "register", "score_past", "find_anomalies",
            "attribute_revision", "watch_drift", "report", "train")  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def long_panel(panel: pd.DataFrame) -> pd.DataFrame:
    """Repeat the panel until it covers all nights, with other noise in each copy."""
    draw, parts = np.random.default_rng(3), []
    days = panel["hour_utc"].dt.normalize().nunique()
    for copy in range(1 + NIGHTS // days + 1):
        part = panel.assign(hour_utc=panel["hour_utc"] + pd.Timedelta(days * copy, "D"))
        parts.append(part.assign(late=(part["late"] + draw.integers(0, 2, len(part))).astype(float)))
    return pd.concat(parts, ignore_index=True)


def run_nights(world, log: Path):
    """Return an injection that runs all nights in the process of the command, and writes a line for each."""

    def inject() -> None:
        import importlib
        import sys
        import time

        from deployments.cli.main import app

        steps = {name: getattr(importlib.import_module(f"tasks.{module}"), name) for module, name in STEPS.items()}
        draw = np.random.default_rng(11)
        day = pd.Timestamp("2024-02-08")
        for number in range(NIGHTS):
            broken = str(draw.choice(OPTIONAL)) if number % 3 == 1 else ""
            work = steps[broken].fn if broken else None
            if broken:
                steps[broken].fn = _fail
            started = time.monotonic()
            as_of = f"{day + pd.Timedelta(number, 'D'):%Y-%m-%d}"
            sys.argv = ["nightcast", "nightly", str(world.spec), "--as-of", as_of, "--no-server", "--quiet"]
            try:
                app(prog_name="nightcast", standalone_mode=False)
                code = 0
            except SystemExit as stop:
                code = stop.code
            if broken:
                steps[broken].fn = work
            gc.collect()
            record = {
                "night": number,
                "code": code,
                "broken": broken,
                "seconds": time.monotonic() - started,
                **sizes(world),
            }
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")

    return inject


def _fail(**_inputs):
    raise RuntimeError("a fault of the soak")


def sizes(world) -> dict[str, float]:
    import psutil

    this = psutil.Process()
    files = [path for path in world.store.rglob("*") if path.is_file()]
    return {
        "memory_mb": this.memory_info().rss / 2**20,
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "store_mb": sum(path.stat().st_size for path in files) / 2**20,
        "registry_mb": (world.store / "mlflow/mlflow.db").stat().st_size / 2**20
        if (world.store / "mlflow/mlflow.db").exists()
        else 0.0,
    }


def draw_chart(records: list[dict], file: Path) -> None:
    """Draw one line per quantity over the nights, as an SVG file."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{110 * len(CHARTS)}" font-family="sans-serif">'
    ]
    for row, name in enumerate(CHARTS):
        values = [record[name] for record in records]
        top = max(values) or 1.0
        points = " ".join(
            f"{40 + 660 * at / max(1, len(values) - 1):.1f},{110 * row + 100 - 75 * value / top:.1f}"
            for at, value in enumerate(values)
        )
        parts.append(
            f'<text x="40" y="{110 * row + 16}" font-size="12">{name}: last {values[-1]:.1f}, most {top:.1f}</text>'
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="#1f77b4" stroke-width="1.5"/>')
    file.write_text("\n".join([*parts, "</svg>"]), encoding="utf-8")


def test_sixty_nights_stay_flat(build_world, panel, tmp_path_factory, capsys):
    folder = tmp_path_factory.mktemp("soak")
    world, log = build_world("soak-world", long_panel(panel)), folder / "soak.jsonl"
    harness.MAX_NIGHT_S, limit = 3000.0, harness.MAX_NIGHT_S
    try:
        ended = world.run("--help", inject=run_nights(world, log))
    finally:
        harness.MAX_NIGHT_S = limit
    records = [json.loads(line) for line in log.read_text().splitlines()]
    draw_chart(records, folder / "soak.svg")
    with capsys.disabled():
        for record in records[::6] + records[-1:]:
            print("  ".join(f"{name} {record[name]:8.1f}" for name in ("night", *CHARTS)))  # noqa: T201 - figures
        print(f"drawn in {folder / 'soak.svg'}")  # noqa: T201 - figures
    assert len(records) == NIGHTS, ended.output[-2000:]
    assert {record["code"] for record in records} == {0}
    assert violations(world) == []
    warm = records[WARM:]
    assert warm[-1]["memory_mb"] - warm[0]["memory_mb"] < MAX_MEMORY_GROWTH_MB
    assert max(record["handles"] for record in warm) <= min(record["handles"] for record in warm) + 5
    assert max(record["threads"] for record in warm) <= min(record["threads"] for record in warm) + 1
    added = np.diff([record["store_mb"] for record in records])
    assert np.median(added[-15:]) < 1.25 * np.median(added[WARM : WARM + 15]) + 0.05
