"""Six time zones, six frequencies: every instant and date of two years is read once, and seasons keep their place."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data_contracts.errors import ContractBroken
from models.data.calendar import wall_clock_steps
from tasks.ingestion import ingest
from tasks.results.steps import ValidatedTable
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.validation import validate

MakeSpec = Callable[..., DatasetSpec]

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # half an hour off
    "Asia/Kathmandu",  # 45 minutes off, without clock changes
    "Africa/Casablanca",  # set back for Ramadan
    "Pacific/Auckland",  # summer at New Year
)
AS_OF = datetime(2030, 1, 1, tzinfo=UTC)


def night(
    frame: pd.DataFrame, path: Path, kind: str, store: Store, spec: DatasetSpec
) -> tuple[ValidatedTable, pd.DataFrame]:
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    validated = validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store)
    return validated, store.get(validated.clean)


@pytest.fixture
def table(tmp_path: Path, reading: MakeSpec, store: Store) -> Callable[..., tuple[ValidatedTable, pd.DataFrame]]:
    """table(frame with sku, hour and sold, freq, kind, timezone): its validated night."""

    def run(frame: pd.DataFrame, freq: str, kind: str = "csv", timezone: str | None = None, **changes: Any) -> Any:
        source = {"kind": kind, "path": str(tmp_path / f"s.{kind}"), "timezone": timezone}
        spec = reading(source=source, features={"known": []}, freq=freq, **changes)
        return night(frame, tmp_path / f"s.{kind}", kind, store, spec)

    return run


def exact(validated: ValidatedTable, rows: int) -> bool:
    health = validated.health
    return (health.read, health.used, health.quarantined, health.gaps) == (rows, rows, 0, 0)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("written", ["wall", "offset", "parquet", "utc"])
def test_every_hour_of_two_years_is_read_once_in_every_zone(table: Any, zone: str, written: str) -> None:
    hours = pd.date_range("2023-06-01", "2025-06-01", freq="h", tz="UTC", inclusive="left")
    local = hours.tz_convert(zone)
    stamps: Any = {
        "wall": local.tz_localize(None),
        "offset": [moment.isoformat() for moment in local],
        "parquet": local,
        "utc": hours,
    }[written]
    frame = pd.DataFrame({"sku": "a", "hour": stamps, "sold": local.hour + 1.0})
    kind = "parquet" if written == "parquet" else "csv"
    validated, clean = table(frame, "h", kind, zone if written == "wall" else None)
    assert exact(validated, 17_544)
    assert (pd.DatetimeIndex(clean["ds"]) == hours).all()
    assert (clean["y"] == pd.DatetimeIndex(clean["ds"]).tz_convert(zone).hour + 1.0).all()
    days = pd.Series(1, pd.DatetimeIndex(clean["ds"]).tz_convert(zone)).resample("D").sum()
    whole = days.iloc[1:-1]
    changed = {"Asia/Kathmandu": set()}.get(zone, {23, 25})
    assert set(whole) == {24} | changed
    assert len(whole[whole != 24]) == (0 if zone == "Asia/Kathmandu" else 4)
    assert (wall_clock_steps(pd.DatetimeIndex(clean["ds"]), "h", zone) % 24 == clean["y"] - 1).all()


DATES = {
    "D": (pd.date_range("2019-12-01", "2021-01-31"), 428),
    "W-MON": (pd.date_range("2019-12-02", "2021-02-01", freq="W-MON"), 62),
    "W-SUN": (pd.date_range("2019-12-01", "2021-01-31", freq="W-SUN"), 62),
    "ME": (pd.date_range("2019-11-30", "2021-03-31", freq="ME"), 17),
    "MS": (pd.date_range("2019-12-01", "2021-04-01", freq="MS"), 17),
    "B": (pd.date_range("2019-12-02", "2021-01-29", freq="B"), 305),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", DATES)
@pytest.mark.parametrize("written", ["date", "midnight", "offset", "parquet", "date32"])
def test_date_stays_the_same_date_in_every_zone(table: Any, zone: str, freq: str, written: str) -> None:
    dates, count = DATES[freq]
    local = dates.tz_localize(zone)
    stamps: Any = {
        "date": dates.strftime("%Y-%m-%d"),
        "midnight": dates,
        "offset": [moment.isoformat() for moment in local],
        "parquet": local,
        "date32": dates.date,
    }[written]
    frame = pd.DataFrame({"sku": "a", "hour": stamps, "sold": dates.day + dates.month / 100})
    kind = "parquet" if written in ("parquet", "date32") else "csv"
    source_zone = zone if written in ("date", "midnight") else None
    validated, clean = table(frame, freq, kind, source_zone, zone=zone)
    assert exact(validated, count)
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in clean["ds"]] == [f"{day:%Y-%m-%d} 00:00" for day in dates]
    assert (clean["y"] == dates.day + dates.month / 100).all()


def test_leap_day_year_end_and_week_53_are_steps(table: Any) -> None:
    dates, _ = DATES["D"]
    _, days = table(pd.DataFrame({"sku": "a", "hour": dates, "sold": 1.0}), "D")
    assert {"2020-02-29", "2020-12-31", "2021-01-01"} <= set(days["ds"].dt.strftime("%Y-%m-%d"))
    weeks, _ = DATES["W-MON"]
    _, clean = table(pd.DataFrame({"sku": "a", "hour": weeks, "sold": 1.0}), "W-MON")
    numbers = clean["ds"].dt.isocalendar()["week"].tolist()
    assert numbers[numbers.index(53) - 1 : numbers.index(53) + 2] == [52, 53, 1]


def test_midnights_in_utc_are_dates_of_the_source_zone(table: Any) -> None:
    days = pd.date_range("2024-03-01", "2024-04-30", tz="Europe/Berlin")
    frame = pd.DataFrame({"sku": "a", "hour": days.tz_convert("UTC"), "sold": 1.0})
    validated, clean = table(frame, "D", "parquet", "Europe/Berlin")
    assert exact(validated, 61)
    assert clean["ds"].dt.strftime("%m-%d").tolist()[29:32] == ["03-30", "03-31", "04-01"]


FOLD = ["2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"]


def test_hour_that_occurs_twice_is_first_summer_then_winter_time(table: Any) -> None:
    frame = pd.DataFrame({"sku": "a", "hour": FOLD, "sold": [1.0, 2.0, 3.0, 4.0]})
    validated, clean = table(frame, "h", "csv", "Europe/Berlin")
    assert exact(validated, 4)
    assert clean["ds"].dt.strftime("%d %H").tolist() == ["26 23", "27 00", "27 01", "27 02"]
    assert clean["y"].tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("hours", "at_fault", "row"),
    [
        ([*FOLD[:1], *FOLD[2:]], 1, "row 1"),  # either of the two
        ([*FOLD, FOLD[1]], 3, "rows 1, 2, 4"),
        (["2024-03-31T01:00", "2024-03-31T02:30", "2024-03-31T03:00"], 1, "row 1"),  # the hour that is skipped
    ],
)
def test_ambiguous_or_skipped_hour_is_rejected_with_what_to_do(
    table: Any, hours: list[str], at_fault: int, row: str
) -> None:
    frame = pd.DataFrame({"sku": "a", "hour": hours, "sold": 1.0})
    message = rf"occurs twice or never in Europe/Berlin .* write it with its offset, or in UTC; {at_fault} row"
    with pytest.raises(ContractBroken, match=rf"'ds is one moment', column 'hour': {message}.*{row}"):
        table(frame, "h", "csv", "Europe/Berlin")


@pytest.mark.parametrize("minute", range(0, 180, 15))
def test_as_of_between_two_hours_of_one_wall_time_sees_the_first(
    tmp_path: Path, reading: MakeSpec, store: Store, minute: int
) -> None:
    quarters = pd.date_range("2024-10-26 22:00", periods=24, freq="15min", tz="UTC")
    local = quarters.tz_convert("Europe/Berlin").tz_localize(None)
    pd.DataFrame({"sku": "a", "hour": local, "sold": range(24)}).to_csv(tmp_path / "s.csv", index=False)
    source = {"kind": "csv", "path": str(tmp_path / "s.csv"), "timezone": "Europe/Berlin"}
    spec = reading(source=source, features={"known": []}, freq="15min")
    as_of = (pd.Timestamp("2024-10-26 23:30", tz="UTC") + pd.Timedelta(minutes=minute)).to_pydatetime()
    validated = validate.fn(ingest.fn(spec, as_of, store), spec, as_of, store)
    seen = quarters[quarters < as_of]
    clean = store.get(validated.clean)
    assert (pd.DatetimeIndex(clean["ds"]) == seen).all()
    assert clean["y"].tolist() == list(range(len(seen)))
    assert (validated.health.used, validated.health.quarantined) == (len(seen), 0)


@pytest.mark.parametrize(("unit", "many"), [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_unix_times_are_read_in_their_unit(
    tmp_path: Path, reading: MakeSpec, store: Store, unit: str, many: int, kind: str
) -> None:
    seconds = 1_709_251_200 + 3600 * pd.Series(range(48))  # 1 March 2024
    frame = pd.DataFrame({"sku": "a", "hour": seconds * many, "sold": 1.0})
    source = {"kind": kind, "path": str(tmp_path / "s"), "epoch": unit}
    validated, clean = night(frame, tmp_path / "s", kind, store, reading(source=source, features={"known": []}))
    assert exact(validated, 48)
    assert (pd.DatetimeIndex(clean["ds"]) == pd.date_range("2024-03-01", periods=48, freq="h", tz="UTC")).all()


def test_number_is_not_a_time_without_a_unit(table: Any) -> None:
    reason = r"'ds is a time', column 'hour': must be a valid time; a number is .*set source.epoch to s.* 2 rows"
    with pytest.raises(ContractBroken, match=reason):
        table(pd.DataFrame({"sku": "a", "hour": [1_709_251_200, 1_709_254_800], "sold": 1.0}), "h", "parquet")
