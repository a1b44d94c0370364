"""Part of `make bench`: ten million rows from Parquet to the clean table, compared with a pandas script without checks.

Each runs in its own process: seconds, rows per second and peak memory.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.benchmark

SERIES, HOURS, RUNS = 1000, 10_000, 3

NIGHTCAST = """
from datetime import UTC, datetime
from data_contracts.odcs_compiler import read_contract
from pathlib import Path
from models.data.features import FeatureSpec
from tasks.storage.store import Store
from tasks.sources.spec import SourceSpec
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.ingestion import ingest
from tasks.validation import validate
import time, json, resource, sys
folder = sys.argv[1]
reading = DatasetSpec(
    pipeline="big", source=SourceSpec(kind="parquet", path=folder + "/big.parquet"),
    columns=ColumnsSpec(unique_id="id", ds="t", y="v"), features=FeatureSpec(known=(), observed=("w",)),
    freq="h", zone="UTC", horizon=24, contract=read_contract(Path(folder) / "big.yaml"),
)
as_of, store = datetime(2030, 1, 1, tzinfo=UTC), Store(root=folder + "/store")
began = time.perf_counter()
raw = ingest.fn(reading, as_of, store)
read = time.perf_counter()
validated = validate.fn(raw, reading, as_of, store)
done = time.perf_counter()
"""
PANDAS = """
import pandas as pd
import time, json, resource, sys
folder = sys.argv[1]
began = read = time.perf_counter()
frame = pd.read_parquet(folder + "/big.parquet").sort_values(["id", "t"]).drop_duplicates(["id", "t"])
parts = [part.set_index("t").asfreq("h").assign(id=name) for name, part in frame.groupby("id", sort=True)]
pd.concat(parts).reset_index().to_parquet(folder + "/plain.parquet", index=False)
done = time.perf_counter()
"""
REPORT = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"read": read - began, "all": done - began, "gib": peak}))
"""
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


def measured(script: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-c", script + REPORT, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.timeout(3600)
def test_ten_million_rows(tmp_path, capsys) -> None:
    build(tmp_path)
    rows = SERIES * HOURS
    with capsys.disabled():
        for name, script in (
            ("Nightcast: read, check every row, quarantine, grid", NIGHTCAST),
            ("pandas: read, grid", PANDAS),
        ):
            runs = pd.DataFrame([measured(script, tmp_path) for _ in range(RUNS)]).median()
            print(
                f"\n{name}: {runs['all']:.1f} s (reading {runs['read']:.1f} s), "
                f"{rows / runs['all']:,.0f} rows per second, {runs['gib']:.1f} GiB peak (medians of {RUNS})"
            )
