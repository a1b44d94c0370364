"""Part of `make bench`: whole nights of growing tables, with processor seconds and peak memory of each step.

NIGHTCAST_BENCH_SERIES lists the numbers of series, by default 100,1000; each has 1,000 hours before the first night.
NIGHTCAST_BENCH_NIGHTS is the number of nights, a day apart, by default 2; the first and the last are printed. Each
night runs in a process of its own. With NIGHTCAST_BENCH_FABRICATE=1 only the first two and the last two nights run, and
those between publish copies of the second (fabricated_nights.py); the night before the last scores all of them, the
last keeps these scores. The slope of a step is that of log(seconds) over log(series), between the two
largest tables: 1 is linear. NIGHTCAST_BENCH_PICTURE is the path of a picture of the growth, PNG or SVG.
"""

import json
import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.benchmarks.fabricated_nights import fabricate_nights

pytestmark = pytest.mark.benchmark

Steps = dict[str, dict[str, float]]  # cpu_s, wall_s, peak_mib by step
SIZES = [int(size) for size in os.environ.get("NIGHTCAST_BENCH_SERIES", "100,1000").split(",")]
NIGHTS = int(os.environ.get("NIGHTCAST_BENCH_NIGHTS", "2"))
FABRICATES = os.environ.get("NIGHTCAST_BENCH_FABRICATE") == "1" and NIGHTS > 4
HOURS, LATER_HOURS, SERIES_PER_PART = 1000, 24 * (NIGHTS + 1), 1000
FIRST_NIGHT = datetime(2024, 2, 11, 16, tzinfo=UTC)


def build(folder: Path, series: int, later_hours: int = LATER_HOURS) -> None:
    """Write a Parquet table of hourly series with a season of a day, sorted by series, and its pipeline."""
    draw, count = np.random.default_rng(0), HOURS + later_hours
    hours = np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(3_600_000_000, "us")
    season, writer = np.sin(np.arange(count) * 2 * np.pi / 24), None
    for begin in range(0, series, SERIES_PER_PART):
        size = min(SERIES_PER_PART, series - begin)
        level = draw.gamma(2, 10, (size, 1))
        y = level * (3 + season * draw.random((size, 1)) * 2) + draw.normal(0, 0.3, (size, count)) * level
        names = np.repeat([f"series-{number:06}" for number in range(begin, begin + size)], count)
        times = pa.array(np.tile(hours, size), pa.timestamp("us", "UTC"))
        part = pa.table({"id": names, "t": times, "y": y.reshape(-1)})
        writer = writer or pq.ParquetWriter(folder / "big.parquet", part.schema)
        writer.write_table(part)
    assert writer is not None
    writer.close()
    spec = {
        "name": "big",
        "source": {"kind": "parquet", "path": str(folder / "big.parquet")},
        "columns": {"unique_id": "id", "ds": "t", "y": "y"},
        "freq": "h",
        "windowing": {"horizon": 24},
        "training": {"max_epochs": 2},
    }
    (folder / "big.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")


def measure(folder: Path, *call: str) -> Steps:
    """Run one night, or another flow; return cpu_s, wall_s and peak_mib of each step and of the process (`total`).

    The call is that of whole_night.py: the as-of, or the first origin, then the flow and the last origin.
    """
    command = [sys.executable, "-m", "tests.benchmarks.whole_night", str(folder), *call]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in reversed(result.stdout.splitlines()) if line.startswith('{"steps"'))
    measured = json.loads(line)
    return measured["steps"] | {"total": measured["total"]}


@pytest.mark.timeout(36_000)
def test_nights_of_growing_tables(tmp_path, capsys) -> None:
    runs: dict[tuple[int, int], Steps] = {}
    for size in SIZES:
        folder = tmp_path / str(size)
        folder.mkdir()
        build(folder, size)
        for number in (1, 2, NIGHTS - 1, NIGHTS) if FABRICATES else range(1, NIGHTS + 1):
            if FABRICATES and number == NIGHTS - 1:
                fabricate_nights(folder, FIRST_NIGHT + timedelta(days=1), NIGHTS - 4)
            night = FIRST_NIGHT + timedelta(days=number - 1)
            runs[size, number] = measure(folder, f"{night:%Y-%m-%dT%H:%M}")
        (folder / "big.parquet").unlink()
    shown = sorted({1, NIGHTS - 1, NIGHTS} if FABRICATES else {1, NIGHTS})
    with capsys.disabled():
        for number in shown:
            header = "".join(f"{f'{size:,} series':>24}" for size in SIZES)
            print(f"\nnight {number}: processor seconds, peak MiB of the step\n{'':16}{header}{'slope':>8}")
            for step in runs[SIZES[0], number]:
                cells = [runs[size, number][step] for size in SIZES]
                figures = "".join(f"{cell['cpu_s']:14.2f} {cell['peak_mib']:9,.0f}" for cell in cells)
                print(f"{step:16}{figures}{slope(cells):8.2f}")
        print(json.dumps({f"{size} series, night {number}": runs[size, number] for size in SIZES for number in shown}))
    if path := os.environ.get("NIGHTCAST_BENCH_PICTURE"):
        draw_growth({size: runs[size, 1] for size in SIZES}, Path(path))


def draw_growth(nights: dict[int, Steps], path: Path) -> None:
    """Draw processor seconds and peak memory of the slowest steps over the number of series, on logarithmic axes."""
    plotter = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed: no picture is drawn")
    sizes, largest = sorted(nights), nights[max(nights)]
    steps = sorted(set(largest) - {"total"}, key=lambda step: -largest[step]["cpu_s"])[:8]
    figure = plotter.Figure(figsize=(10, 4.5), layout="constrained")
    for axes, field, title in zip(
        figure.subplots(1, 2), ("cpu_s", "peak_mib"), ("processor seconds", "peak memory, MiB"), strict=True
    ):
        for step in steps:
            axes.plot(sizes, [nights[size][step][field] for size in sizes], marker="o", label=step)
        if field == "cpu_s":
            start = largest[steps[0]][field] / sizes[-1]
            axes.plot(sizes, [start * size for size in sizes], color="grey", linestyle=":", label="linear")
        axes.set(xscale="log", yscale="log", xlabel=f"series of {HOURS:,} hours", title=title)
        axes.grid(visible=True, which="both", alpha=0.2)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.savefig(path, dpi=120)


def slope(cells: list[dict[str, float]]) -> float:
    """Return the slope of the processor seconds between the two largest tables; NaN with one table."""
    if len(SIZES) < 2:
        return math.nan
    seconds = [max(cell["cpu_s"], 1e-3) for cell in cells[-2:]]
    return math.log(seconds[1] / seconds[0]) / math.log(SIZES[-1] / SIZES[-2])
