"""`nightcast init` on 30 tables of different shapes: what it infers, whether that is right, and how long it takes.

A wrong inference that is marked unsure counts as unsure; one that is not marked counts as wrong.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
DEMO = Path(__file__).parents[2] / "deployments" / "demo" / "nyc-delays.parquet"
NONE = "none, one series"


class Shape(NamedTuple):
    """One table: how it is written, and what is right of it."""

    name: str
    write: Callable[[Path], Path]
    right: dict[str, str]
    options: tuple[str, ...] = ()


def wave(count: int, period: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.6, count)
    return np.round(40 + 9 * np.sin(2 * np.pi * np.arange(count) / period) + noise, 2)


def frame(freq: str, count: int, period: int, start: str = "2023-01-02", **columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"date": pd.date_range(start, periods=count, freq=freq), "value": wave(count, period), **columns}
    )


def panel(freq: str, count: int, period: int, key: str, names: list[object]) -> pd.DataFrame:
    return pd.concat([frame(freq, count, period).assign(**{key: name}) for name in names], ignore_index=True)


def csv(table: pd.DataFrame, **options: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        table.to_csv(folder / "table.csv", **{"index": False, **options})
        return folder / "table.csv"

    return write


def text(lines: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "table.csv").write_text(lines, encoding="utf-8")
        return folder / "table.csv"

    return write


def parquet(table: pd.DataFrame) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        table.to_parquet(folder / "table.parquet", index=False)
        return folder / "table.parquet"

    return write


def given(path: Path) -> Callable[[Path], Path]:
    return lambda folder: path


def spelled(table: pd.DataFrame, pattern: str) -> pd.DataFrame:
    return table.assign(date=table["date"].dt.strftime(pattern))


def shapes() -> list[Shape]:
    hourly, daily = frame("h", 2000, 24), frame("D", 500, 7)
    monthly, weekly = frame("MS", 120, 12, "2014-01-01"), frame("W-MON", 220, 52, "2020-01-06")
    quarters = [f"{time.year}-Q{time.quarter}" for time in pd.date_range("1995-01-01", periods=100, freq="QS")]
    berlin = hourly["date"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    shop = daily[daily["date"].dt.dayofweek != 6]
    wide = pd.DataFrame({f"zone_{n}": wave(1500, 24, n) for n in range(1, 21)})
    wide = wide.assign(**{f"temp_{n}": wave(1500, 24, 50 + n) for n in range(1, 12)}, when=frame("h", 1500, 24)["date"])
    air = pd.DataFrame(
        {"date": hourly["date"], "PM2.5": wave(2000, 24), "TEMP": wave(2000, 24, 1), "DEWP": wave(2000, 24, 2),
         "Iws": wave(2000, 40, 3), "Ir": (np.random.default_rng(0).random(2000) < 0.05) * 1.0}
    )  # fmt: skip
    plan = daily.assign(promo=(np.arange(500) % 9 == 0) * 1)
    plan.loc[plan.index[-14:], "value"] = np.nan
    stores = pd.concat([daily.assign(store=s, item=i) for s in (1, 2) for i in (11, 12, 13)])
    thousands = daily.assign(value=[f"{v * 1000:,.0f}" for v in daily["value"]])
    day, hour = (
        {"freq": "D", "season": "7", "horizon": "14 steps"},
        {"freq": "h", "season": "24", "horizon": "24 steps"},
    )
    month = {"freq": "MS", "season": "12", "horizon": "12 steps"}
    one, at = {"id": NONE}, {"time": "date", "y": "value"}
    return [
        Shape(
            "metro traffic",
            given(DATA / "metro_traffic/Metro_Interstate_Traffic_Volume.csv"),
            {"time": "date_time", "y": "traffic_volume", **one, **hour},
        ),
        Shape("bike sharing", given(DATA / "bike_sharing/hour.csv"), {"y": "cnt", "freq": "h", "season": "24"}),
        Shape(
            "taxi",
            given(DATA / "nab/nyc_taxi.csv"),
            {"time": "timestamp", "y": "value", "freq": "30min", "season": "48", **one},
        ),
        Shape(
            "temperature",
            given(DATA / "nab/ambient_temperature_system_failure.csv"),
            {"time": "timestamp", "y": "value", "freq": "h", **one},
        ),
        Shape("ETTh1", given(DATA / "etth1/ETTh1.csv"), {"time": "date", "y": "OT", **one, **hour}),
        Shape("demo", given(DEMO), {"time": "time_hour", "id": "series", "y": "delayed", **hour}),
        Shape("hourly CSV", csv(hourly), {**at, **one, **hour}),
        Shape("hourly, zone UTC in letters", csv(spelled(hourly, "%Y-%m-%d %H:%M:%S UTC")), {**at, **one, **hour}),
        Shape(
            "hourly Parquet, Berlin",
            parquet(hourly.assign(date=berlin)),
            {**at, **one, **hour, "zone": "Europe/Berlin"},
        ),
        Shape("hourly, 12-hour clock", csv(spelled(hourly, "%m/%d/%Y %I:%M:%S %p")), {**at, **one, **hour}),
        Shape("daily day first", csv(spelled(daily, "%d/%m/%Y")), {**at, **one, **day}),
        Shape("daily two-digit years", csv(spelled(daily, "%d.%m.%y"), sep=";", decimal=","), {**at, **one, **day}),
        Shape(
            "daily Excel numbers",
            csv(daily.assign(date=(daily["date"] - pd.Timestamp("1899-12-30")).dt.days)),
            {**at, **one, **day},
        ),
        Shape(
            "daily, unnamed index",
            csv(daily.set_index(daily["date"].rename(None))[["value"]], index=True),
            {"y": "value", **one, **day},
        ),
        Shape("daily, sep= line", text("sep=;\n" + daily.to_csv(index=False, sep=";")), {**at, **one, **day}),
        Shape("daily, thousands", csv(thousands), {**at, **one, **day}),
        Shape("daily, closed on Sundays", csv(shop), {**at, **one, "freq": "D"}),
        Shape("daily, three shops", csv(panel("D", 400, 7, "shop", ["a", "b", "c"])), {**at, "id": "shop", **day}),
        Shape(
            "daily, store codes as floats",
            parquet(panel("D", 400, 7, "store", [101.0, 102.0])),
            {**at, "id": "store", **day},
        ),
        Shape("daily, store and item", csv(stores), {**at, "id": "store, item", **day}),
        Shape(
            "daily, shops on alternate days",
            csv(daily.assign(shop=np.where(np.arange(500) % 2, "a", "b"))),
            {**at, "id": "shop", "freq": "D"},
        ),
        Shape("daily, promotion plan", csv(plan), {**at, **one, **day, "known": "promo"}),
        Shape("business days", csv(frame("B", 500, 5)), {**at, **one, "freq": "B", "horizon": "10 steps"}),
        Shape("weeks on Mondays", csv(weekly), {**at, **one, "freq": "W-MON", "horizon": "13 steps"}),
        Shape("ISO weeks", csv(spelled(weekly, "%G-W%V")), {**at, **one, "freq": "W-MON", "horizon": "13 steps"}),
        Shape("months", csv(monthly), {**at, **one, **month}),
        Shape("months 1990M01", csv(spelled(monthly, "%YM%m")), {**at, **one, **month}),
        Shape(
            "quarters in letters",
            csv(pd.DataFrame({"date": quarters, "value": wave(100, 4)})),
            {**at, **one, "horizon": "4 steps"},
        ),
        Shape("20 zones and 11 temperatures", csv(wide), {"time": "when", "y": "zone_*", **one, **hour}),
        Shape("air quality", csv(air), {"time": "date", "y": "PM2.5", **one, **hour}),
    ]


def judge(shape: Shape, guesses: dict[str, dict[str, str]]) -> list[str]:
    """Return a word per part that is not right: `freq unsure (D)` or `freq WRONG (D)`."""
    words = []
    for part, right in shape.right.items():
        guess = guesses.get(part, {"value": "nothing", "sure": None})
        if guess["value"] != right:
            words.append(f"{part} {'unsure' if guess['sure'] == 'unsure' else 'WRONG'} ({guess['value']}, not {right})")
    return words


@pytest.mark.benchmark
def test_inferences_and_seconds_of_thirty_tables(tmp_path):
    command, seconds, wrong = Path(sys.executable).with_name("nightcast"), [], 0
    for number, shape in enumerate(shapes(), 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        address = shape.write(folder)
        if not address.exists():
            print(f"{number:2} {shape.name}: skipped, {address} is absent")
            continue
        began = time.perf_counter()
        call = [str(command), "init", str(address), "--out", str(folder), "--name", "x", "--json", *shape.options]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        seconds.append(took)
        facts = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        guesses = facts.get("guesses", {})
        words = judge(shape, guesses) if guesses else [f"exit {done.returncode}: {done.stderr.strip()[-160:]}"]
        wrong += any("WRONG" in word or "exit" in word for word in words)
        shown = " ".join(f"{part}={guesses[part]['value']}" for part in
                         ("time", "id", "y", "freq", "season", "zone", "horizon") if part in guesses)  # fmt: skip
        print(f"{number:2} {shape.name:32} {took:5.1f} s  {shown}  {'; '.join(words) or 'right'}")
    print(f"{wrong} of {len(seconds)} tables have a wrong inference that is not marked unsure")
    print(f"seconds: median {statistics.median(seconds):.1f}, worst {max(seconds):.1f}")
