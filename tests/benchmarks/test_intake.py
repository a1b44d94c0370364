"""Part of `make bench`: ten million rows from Parquet to the clean table, compared with Polars scripts.

The Polars scripts find the same rows and write the same tables; a pandas script reads and fills the grid only. Each
runs in its own process: processor seconds, wall seconds and peak memory.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.intake_scripts import NIGHTCAST, PANDAS, POLARS, REPORT, TUNED_POLARS

pytestmark = pytest.mark.benchmark

SERIES, HOURS, RUNS = 1000, 10_000, 3
SCRIPTS = {
    "Nightcast": NIGHTCAST,
    "Polars": POLARS,
    "Polars, one integer key": TUNED_POLARS,
    "pandas, without checks": PANDAS,
}

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: big
version: 1.0.0
status: active
schema:
  - name: big
    customProperties: [{property: rowFaults, value: warning}]
    quality:
      - id: once
        name: one row per hour
        metric: duplicateValues
        arguments: {properties: [id, t]}
        mustBe: 0
        severity: warning
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: t, logicalType: timestamp, required: true}
      - name: v
        logicalType: number
        required: true
        quality:
          - name: v is at least 0
            type: custom
            engine: greatExpectations
            implementation: "{type: expect_column_values_to_be_between, kwargs: {column: v, min_value: 0}}"
            severity: warning
      - {name: w, logicalType: number}
"""


def build(folder: Path, series: int = SERIES) -> None:
    """Write the panel: one row in ten thousand is a duplicate, one is negative."""
    draw, count = np.random.default_rng(0), series * HOURS
    times = np.tile(pd.date_range("2024-01-01", periods=HOURS, freq="h").as_unit("us"), series)
    frame = pd.DataFrame({"id": np.repeat([f"s{n:04}" for n in range(series)], HOURS), "t": times})
    frame["v"] = np.where(draw.random(count) < 1e-4, -1.0, draw.gamma(2.0, 3.0, count))
    frame["w"] = draw.standard_normal(count)
    frame["t"] = frame["t"].dt.tz_localize("UTC")
    pd.concat([frame, frame.iloc[::10_000]]).to_parquet(folder / "big.parquet", index=False)
    (folder / "big.yaml").write_text(CONTRACT, encoding="utf-8")


def measured(script: str, folder: Path) -> dict[str, Any]:
    """Run a script in a process of its own: processor and wall seconds, peak memory, and the tables it wrote."""
    command = [sys.executable, "-c", script + REPORT, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def assert_same_tables(tables: list[str], expected: list[str]) -> None:
    """The clean tables are equal in every value, and the same rows are rejected."""
    clean, other = (pq.read_table(table).to_pandas() for table in (tables[0], expected[0]))
    pd.testing.assert_frame_equal(clean, other)
    rejected, others = (pq.read_table(table).to_pandas() for table in (tables[1], expected[1]))
    assert sorted(rejected["row"]) == sorted(others["row"])
    assert rejected["rule"].isna().sum() == 0


@pytest.mark.timeout(3600)
def test_ten_million_rows(tmp_path, capsys) -> None:
    pytest.importorskip("polars")
    build(tmp_path)
    rows = SERIES * HOURS
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SCRIPTS}
    for _ in range(RUNS):  # in turn, so that a busy machine slows all of them
        for name, script in SCRIPTS.items():
            runs[name].append(measured(script, tmp_path))
    expected = runs["Nightcast"][-1]["tables"]
    for name in ("Polars", "Polars, one integer key"):
        assert_same_tables(expected, runs[name][-1]["tables"])
    figures = {name: pd.DataFrame(of).drop(columns="tables").median().round(2).to_dict() for name, of in runs.items()}
    for of in figures.values():
        of["processor_ratio"] = round(figures["Nightcast"]["processor_s"] / of["processor_s"], 2)
        of["peak_ratio"] = round(figures["Nightcast"]["peak_gib"] / of["peak_gib"], 2)
    with capsys.disabled():
        print(f"\n{rows:,} rows, medians of {RUNS} runs; Nightcast takes x times the processor seconds and memory of")
        print(pd.DataFrame(figures).T.to_string())
        print(json.dumps({"benchmark": "intake", "rows": rows, **figures}))
