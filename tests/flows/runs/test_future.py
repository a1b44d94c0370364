"""A night in the future is refused, and if one exists, latest/, the alias and later nights go on without it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from data_contracts.errors import SpecError
from flows.runs.future import future_notices, refuse_future
from flows.runs.request import RunRequest
from flows.runs.run import Run
from tasks.registry.champions import is_latest_decision
from tasks.storage.store import Store
from tasks.storage.vintages import is_newest, nights_ahead, publish_latest

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
FORMATS = Path(__file__).parents[2] / "formats"


@pytest.mark.parametrize("hours", [-1e5, -24, 0, 1, 24])
def test_as_of_within_the_tolerance_is_accepted(hours: float) -> None:
    refuse_future(NOW + timedelta(hours=hours), NOW, 24)


@pytest.mark.parametrize(("hours", "tolerance"), [(24.1, 24), (1, 0), (24 * 400, 24), (24 * 365 * 50, 24)])
def test_as_of_beyond_the_tolerance_is_refused_with_the_clock_and_the_setting(hours: float, tolerance: float) -> None:
    with pytest.raises(
        SpecError, match="is in the future: the clock of this machine says 2024-03-10 12:00 UTC"
    ) as error:
        refuse_future(NOW + timedelta(hours=hours), NOW, tolerance)
    assert error.value.exit_code == 2
    assert "NIGHTCAST_MAX_FUTURE_HOURS" in str(error.value)
    assert "--force" in str(error.value)


def test_refused_as_of_is_named_in_the_zone_of_the_schedule() -> None:
    night = datetime(2024, 3, 11, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    with pytest.raises(SpecError) as error:
        refuse_future(night, NOW, 1, ZoneInfo("America/New_York"))
    assert str(error.value) == (
        "--as-of 2024-03-11 04:00 UTC (2024-03-11 00:00 in America/New_York) is in the future: the clock of this "
        "machine says 2024-03-10 12:00 UTC, and at most 1 h ahead are accepted (NIGHTCAST_MAX_FUTURE_HOURS). Choose an "
        "earlier as-of, leave it out to run the night of now, or correct the clock. With --force the night runs; if it "
        "is more than 24 h ahead, latest/ and the alias do not follow it."
    )


def test_night_of_tomorrow_is_refused_by_default(shop: Path) -> None:
    soon = datetime.now(UTC) + timedelta(hours=22)
    with pytest.raises(SpecError, match="is in the future"):
        Run("nightly", RunRequest("shop", soon.isoformat()))
    assert Run("nightly", RunRequest("shop", (datetime.now(UTC) + timedelta(minutes=50)).isoformat()))


def vintages(*days: str) -> list[str]:
    return [f"forecasts/pipeline=shop/vintage={day}T000000Z/forecasts.parquet" for day in days]


@pytest.mark.parametrize(
    ("as_of", "others", "newest"),
    [
        ("2024-03-10", (), True),
        ("2024-03-10", ("2024-03-09", "2024-03-10"), True),
        ("2024-03-09", ("2024-03-10",), False),
        ("2024-03-10", ("2031-01-01",), True),  # a night of the future does not block
        ("2024-03-09", ("2024-03-10", "2031-01-01"), False),
        ("2031-01-01", (), False),  # and never is the newest
        ("2031-01-01", ("2024-03-10",), False),
        ("2024-03-11", ("2024-03-10",), True),  # within a day: a schedule that is slightly ahead
    ],
)
def test_latest_follows_the_newest_night_that_is_not_in_the_future(
    as_of: str, others: tuple[str, ...], newest: bool
) -> None:
    assert is_newest(datetime.fromisoformat(as_of).replace(tzinfo=UTC), vintages(*others), NOW) is newest


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of an earlier version, and a copy of its last night as a night of 2031."""
    shutil.copytree(FORMATS / "pipelines", tmp_path / "pipelines")
    shutil.copytree(FORMATS / "night_store", tmp_path / "store")
    for folder in ("decisions", "forecasts", "snapshots"):
        last = max((tmp_path / "store" / folder / "pipeline=shop").iterdir())
        copy = last.with_name(last.name.replace("2024-02-29", "2031-02-01"))
        (shutil.copytree if last.is_dir() else shutil.copy)(last, copy)
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(tmp_path / "pipelines"))
    return tmp_path


def test_later_night_moves_latest_and_alias_beyond_a_night_of_the_future(shop: Path) -> None:
    store = Store(root=str(shop / "store"))
    as_of = datetime(2024, 2, 29, tzinfo=UTC)
    latest = shop / "store/latest/pipeline=shop/forecasts.parquet"
    first = shop / "store/forecasts/pipeline=shop/vintage=2024-02-28T000000Z/forecasts.parquet"
    table = store.table_at(str(first.relative_to(shop / "store")), "forecasts")
    publish_latest(table, "shop", as_of, store, NOW)
    assert latest.read_bytes() == first.read_bytes()
    assert is_latest_decision("shop", as_of, store, NOW)
    assert not is_latest_decision("shop", datetime(2031, 2, 1, tzinfo=UTC), store, NOW)


def test_nights_of_the_future_are_named_with_their_files(shop: Path) -> None:
    store = Store(root=str(shop / "store"))
    nights = nights_ahead("shop", NOW, store)
    assert list(nights) == [datetime(2031, 2, 1, tzinfo=UTC)]
    assert sorted(uri.split("/")[0] for uri in nights[datetime(2031, 2, 1, tzinfo=UTC)]) == [
        "decisions", "forecasts", "snapshots"
    ]  # fmt: skip
    (notice,) = future_notices("shop", NOW, NOW, store)
    assert notice == (
        "the store has 1 night in the future, which latest/ and the alias ignore: 2031-02-01 00:00 UTC; nightcast "
        "doctor lists the files to delete"
    )


def test_run_of_the_future_is_refused_before_anything_is_written(shop: Path) -> None:
    with pytest.raises(SpecError, match="is in the future"):
        Run("nightly", RunRequest("shop", "2131-01-01"))
    forced = Run("nightly", RunRequest("shop", "2131-01-01", force=True))
    assert forced.notices[0].startswith("this night is in the future (")
    assert Run("nightly", RunRequest("shop", "2131-01-01", dry_run=True)).dry_run
