"""Part of `make bench`: whole nights of growing tables, with processor seconds and peak memory of each step.

NIGHTCAST_BENCH_SERIES lists the numbers of series, by default 100,1000; each has 1,000 hours before the first night.
Each night runs in a process of its own. The slope of a step is that of log(seconds) over log(series), between the two
largest tables: 1 is linear.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

pytestmark = pytest.mark.benchmark

SIZES = [int(size) for size in os.environ.get("NIGHTCAST_BENCH_SERIES", "100,1000").split(",")]
HOURS, LATER_HOURS, SERIES_PER_PART = 1000, 24 * 31, 1000
NIGHTS = ("2024-02-11T16:00", "2024-02-12T16:00")


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


def measure(folder: Path, *call: str) -> dict[str, dict[str, float]]:
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
    runs: dict[tuple[int, int], dict[str, dict[str, float]]] = {}
    for size in SIZES:
        folder = tmp_path / str(size)
        folder.mkdir()
        build(folder, size)
        for number, night in enumerate(NIGHTS, 1):
            runs[size, number] = measure(folder, night)
    with capsys.disabled():
        for number in range(1, len(NIGHTS) + 1):
            header = "".join(f"{f'{size:,} series':>24}" for size in SIZES)
            print(f"\nnight {number}: processor seconds, peak MiB of the step\n{'':16}{header}{'slope':>8}")
            for step in runs[SIZES[0], number]:
                cells = [runs[size, number][step] for size in SIZES]
                shown = "".join(f"{cell['cpu_s']:14.2f} {cell['peak_mib']:9,.0f}" for cell in cells)
                print(f"{step:16}{shown}{slope(cells):8.2f}")
        print(json.dumps({f"{size} series, night {number}": run for (size, number), run in runs.items()}))


def slope(cells: list[dict[str, float]]) -> float:
    """Return the slope of the processor seconds between the two largest tables; NaN with one table."""
    if len(SIZES) < 2:
        return math.nan
    seconds = [max(cell["cpu_s"], 1e-3) for cell in cells[-2:]]
    return math.log(seconds[1] / seconds[0]) / math.log(SIZES[-1] / SIZES[-2])
