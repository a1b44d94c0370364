"""Part of `make bench`: a backtest without refit, and the same forecasts by nights, with processor seconds and memory.

NIGHTCAST_BENCH_SERIES is the number of series, by default 1,000, each hourly over 95 days; 52 origins, a day apart. The
champion of one night forecasts at all of them. Of the nights that `nightcast forecast` would run instead, three are
measured. Each run is a process of its own; the source is without row versions.
"""

import os
from pathlib import Path

import pytest

from flows.runs.manual_change import ChangeRequest, change_champion
from tests.benchmarks.test_scale import build, measure

pytestmark = pytest.mark.benchmark

SERIES = int(os.environ.get("NIGHTCAST_BENCH_SERIES", "1000").split(",")[-1])
TRAINED, FIRST, LAST = "2024-02-11T16:00", "2024-02-12T16:00", "2024-04-03T16:00"
ORIGINS, LATER_HOURS = 52, 24 * 53
NIGHTS = ("2024-02-12T16:00", "2024-03-08T16:00", "2024-04-03T16:00")


@pytest.mark.timeout(36_000)
def test_backtest_of_many_origins(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    build(tmp_path, SERIES, LATER_HOURS)
    pipeline = tmp_path / "big.yaml"
    pipeline.write_text(
        pipeline.read_text(encoding="utf-8") + "schedule: {as_of: '2024-04-04T16:00'}\n", encoding="utf-8"
    )
    measure(tmp_path, TRAINED)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    change_champion(ChangeRequest(str(pipeline), "promote", "1", "it is measured"))
    rolling = measure(tmp_path, FIRST, "backtest", LAST)
    nights = [measure(tmp_path, night, "forecast") for night in NIGHTS]
    mean = sum(run["total"]["cpu_s"] for run in nights) / len(nights)
    with capsys.disabled():
        print(f"\n{SERIES:,} series x {ORIGINS} origins x 24 steps")
        print(f"{'':20}{'processor s':>12}{'wall s':>10}{'peak MiB':>10}")
        for name, step in rolling.items():
            print(f"{name:20}{step['cpu_s']:12.1f}{step['wall_s']:10.1f}{step['peak_mib']:10,.0f}")
        for night, run in zip(NIGHTS, nights, strict=True):
            total = run["total"]
            print(f"night {night[:10]}    {total['cpu_s']:12.1f}{total['wall_s']:10.1f}{total['peak_mib']:10,.0f}")
        forecasting = ", ".join(f"{run['forecast']['cpu_s']:.1f} s" for run in nights)
        print(f"step forecast of these nights: {forecasting}")
        print(
            f"{ORIGINS} nights would take {ORIGINS * mean:,.0f} processor seconds, "
            f"{ORIGINS * mean / rolling['total']['cpu_s']:.1f} times those of the backtest"
        )
