"""Incremental reads: over any history of inserts, late rows and updates they end where reading all of it ends."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.odcs_compiler import read_contract
from tasks import ingestion
from tasks.ingestion import ingest, known_table
from tasks.sources import incremental as incremental_module
from tasks.sources.dataset import DatasetSpec
from tasks.storage import snapshots
from tasks.storage.store import Store
from tasks.validation import examine, validate

Told = Callable[..., DatasetSpec]
START = datetime(2024, 3, 1, tzinfo=UTC)
NIGHT = timedelta(hours=6)
REREAD = "3h"


class Happening(NamedTuple):
    """At some minute of a night: a row is new, or is said anew; visible only `delay` minutes after it was known.

    `clock` is how it writes when it was known: with a T, with a space, or not at all.
    """

    minute: int
    series: str
    step: int
    y: float | None
    delay: int
    clock: str


HAPPENINGS = st.builds(
    Happening,
    minute=st.integers(0, 359),
    series=st.sampled_from("ab"),
    step=st.integers(-12, 9),  # hours before and after the night's beginning
    y=st.none() | st.integers(0, 9).map(float),
    delay=st.sampled_from([0, 0, 0, 30, 170]),
    clock=st.sampled_from(["T", "T", "T", "T", " ", ""]),
)
HISTORIES = st.lists(st.lists(HAPPENINGS, max_size=6), min_size=2, max_size=4)


class Shop:
    """A table of sales in SQLite; `versions` keeps every version of a row, otherwise the newest replaces the others."""

    def __init__(self, path: Path, *, versions: bool) -> None:
        path.unlink(missing_ok=True)
        self.db, self.versions = sqlite3.connect(path), versions
        self.db.execute("CREATE TABLE sales (sku TEXT, hour TEXT, sold REAL, known TEXT)")
        for hour in range(-12, 0):
            self.write("a", START + timedelta(hours=hour), 1.0, START + timedelta(hours=hour, minutes=30))

    def write(self, series: str, hour: datetime, y: float | None, known: datetime, clock: str = "T") -> None:
        if not self.versions:
            clock = clock or "T"  # a row that takes the place of another one must say since when
            self.db.execute("DELETE FROM sales WHERE sku = ? AND hour = ?", (series, f"{hour:%Y-%m-%dT%H:%M:%SZ}"))
        row = (series, f"{hour:%Y-%m-%dT%H:%M:%SZ}", y, f"{known:%Y-%m-%d{clock}%H:%M:%SZ}" if clock else "")
        self.db.execute("INSERT INTO sales VALUES (?, ?, ?, ?)", row)
        self.db.commit()


LENIENT = """
apiVersion: v3.1.0
kind: DataContract
id: sales
version: 1.0.0
status: active
schema:
  - name: sales
    properties: [{name: sku, logicalType: string}]
    customProperties: [{property: rowFaults, value: warning}]
"""


@pytest.fixture
def sold(reading: Told, tmp_path: Path) -> Callable[..., DatasetSpec]:
    """sold(incremental=…): how the sales of shop.db are read, once every six hours; a row at fault stops no night."""
    (tmp_path / "lenient.yaml").write_text(LENIENT, encoding="utf-8")
    contract = read_contract(tmp_path / "lenient.yaml")

    def told(*, incremental: bool = True, **changes: Any) -> DatasetSpec:
        source = {"kind": "sql", "url": f"sqlite:///{tmp_path / 'shop.db'}", "table": "sales"}
        source |= {"incremental": {"reread": REREAD}} if incremental else {}
        columns = {"unique_id": "sku", "ds": "hour", "y": "sold", "known_at": "known"}
        plain = {"source": source, "columns": columns, "features": {"known": []}, "contract": contract}
        return reading(**plain | changes)

    return told


def read(told: DatasetSpec, as_of: datetime, store: Store) -> Any:
    """The night's clean table and findings; the snapshot of the night is kept."""
    raw = known_table(told, as_of, store)
    found = examine(raw.to_pandas(), told, as_of)
    if told.source.incremental and not found.stopping:
        clean = store.put(found.clean, "clean")
        snapshot = {
            "reading": incremental_module.dataset_spec_digest(told),
            "raw": store.put(raw, "raw"),
            "clean": clean,
        }
        snapshots.record_snapshot(
            snapshots.Snapshot(as_of=as_of, cutoff=found.cutoff, **snapshot), told.pipeline, store
        )
    return found


def live(history: list[list[Happening]], shop: Shop, sold: Callable[..., DatasetSpec], store: Store) -> int:
    """Live through the nights; the number of rows that were asked for less than all would have been."""
    spared, waiting = 0, []
    for night, happenings in enumerate(history):
        begins = START + night * NIGHT
        for happening in happenings:
            known = begins + timedelta(minutes=happening.minute)
            hour = begins + timedelta(hours=happening.step)
            waiting.append((known + timedelta(minutes=happening.delay), happening, hour, known))
        as_of = begins + NIGHT
        for visible, happening, hour, known in sorted(waiting, key=lambda one: (one[3], one[0])):
            if visible < as_of:
                shop.write(happening.series, hour, happening.y, known, happening.clock)
        waiting = [one for one in waiting if one[0] >= as_of]
        part, whole = read(sold(), as_of, store), read(sold(incremental=False), as_of, store)
        assert (part.cutoff, part.findings, part.stopping) == (whole.cutoff, whole.findings, whole.stopping)
        if not part.stopping:
            pd.testing.assert_frame_equal(part.clean, whole.clean, check_exact=True)
            assert (part.health.used, part.health.quarantined) == (whole.health.used, whole.health.quarantined)
        found = incremental_module.plan_incremental_read(
            sold(), snapshots.snapshot_before(sold().pipeline, as_of + NIGHT, store), store
        )
        spared += found[1].num_rows if found else 0
    return spared


def any_history(examples: int) -> Any:
    def made(test: Any) -> Any:
        quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        return settings(max_examples=examples, deadline=None, suppress_health_check=quiet)(
            given(history=HISTORIES, versions=st.booleans())(test)
        )

    return made


@any_history(25)
def test_reading_what_is_new_ends_where_reading_all_ends(
    sold: Callable[..., DatasetSpec], tmp_path: Path, tmp_path_factory: Any, history: Any, versions: bool
) -> None:
    store = Store(root=str(tmp_path_factory.mktemp("store")))
    live(history, Shop(tmp_path / "shop.db", versions=versions), sold, store)


@pytest.mark.slow
@any_history(500)
def test_reading_what_is_new_ends_where_reading_all_ends_in_500_histories(
    sold: Callable[..., DatasetSpec], tmp_path: Path, tmp_path_factory: Any, history: Any, versions: bool
) -> None:
    store = Store(root=str(tmp_path_factory.mktemp("store")))
    live(history, Shop(tmp_path / "shop.db", versions=versions), sold, store)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each reading of the source gave."""
    counts, true = [], ingestion.read_source

    def counting(*told: Any) -> pa.Table:
        table = true(*told)
        counts.append(table.num_rows)
        return table

    monkeypatch.setattr(ingestion, "read_source", counting)
    return counts


def test_the_second_night_asks_for_the_reread_window_and_what_is_new(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    shop = Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    shop.write("a", START, 5.0, START + timedelta(minutes=30))
    found = read(sold(), START + NIGHT, store)
    assert asked == [12, 5]  # of 13: the new one, three hours before the last one that was known, and that one
    assert found.clean["y"].tolist() == [1.0] * 12 + [5.0]


@pytest.mark.parametrize("changes", [{"freq": "30min"}, {"features": {"known": ["hour"]}}])
def test_what_is_read_in_another_way_is_read_whole(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int], changes: dict[str, Any]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    read(sold(**changes), START + NIGHT, store)
    assert asked == [12, 12]


def test_a_lost_snapshot_is_read_whole(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    for path in Path(store.root, "artifacts", "raw").iterdir():
        path.unlink()
    assert read(sold(), START + NIGHT, store).clean["y"].tolist() == [1.0] * 12
    assert asked == [12, 12]


def test_text_that_does_not_sort_like_its_times_is_read_whole(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    shop = Shop(tmp_path / "shop.db", versions=False)
    shop.db.execute("UPDATE sales SET known = '29.02.2024 12:30' WHERE hour = '2024-02-29T12:00:00Z'")
    shop.db.commit()
    read(sold(), START, store)
    read(sold(), START + NIGHT, store)
    assert asked == [12, 12]


@pytest.mark.parametrize("by", [{"table": "sales"}, {"query": "SELECT * FROM sales"}])
@pytest.mark.parametrize(("known", "values"), [("2024-03-01 05:30:00", [5.0]), ("", []), ("1 March", [])])
def test_a_new_row_that_writes_otherwise_when_it_was_known_is_not_passed_over(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, by: dict[str, str], known: str, values: list[float]
) -> None:
    shop, source = Shop(tmp_path / "shop.db", versions=True), {"kind": "sql", "url": f"sqlite:///{tmp_path}/shop.db"}
    told = sold(source=source | by | {"incremental": {"reread": REREAD}})
    for hour, known_at in ((0, 2), (2, 5)):
        shop.write("a", START + timedelta(hours=hour), 2.0, START + timedelta(hours=known_at))
    read(told, START + NIGHT, store)
    shop.db.execute("INSERT INTO sales VALUES ('a', '2024-03-01T01:00:00Z', 5, ?)", (known,))
    shop.db.commit()
    found = read(told, START + 2 * NIGHT, store)
    assert found.clean["y"].dropna().tolist() == [*[1.0] * 12, 2.0, *values, 2.0]
    assert found.health.quarantined == 1 - len(values)
    after = read(told, START + 3 * NIGHT, store).health
    assert (after.read, after.quarantined) == (found.health.read, found.health.quarantined)


def test_a_query_that_asks_for_the_night_is_read_whole(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    query = "SELECT * FROM sales WHERE hour >= strftime('%Y-%m-%dT%H:%M:%SZ', :as_of, '-16 hours')"
    source = {"kind": "sql", "url": f"sqlite:///{tmp_path}/shop.db", "query": query}
    told = sold(source=source | {"incremental": {"reread": REREAD}})
    read(told, START, store)
    assert read(told, START + NIGHT, store).clean["y"].tolist() == [1.0] * 10
    assert asked == [12, 10]


@pytest.mark.parametrize("by", [{"table": "shop_sales"}, {"query": "SELECT * FROM shop_sales WHERE sold < :most"}])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_a_postgresql_table_and_a_query_are_read_on_from_their_watermark(
    postgres: Any, reading: Told, store: Store, asked: list[int], by: dict[str, Any], kind: str
) -> None:
    postgres.execute(
        "DROP TABLE IF EXISTS shop_sales",
        f"CREATE TABLE shop_sales (sku text, hour {kind}, sold float8, known {kind})",
        "INSERT INTO shop_sales SELECT 'a', h, 1, h + interval '30 minutes' FROM generate_series("
        "'2024-02-29 12:00'::timestamp, '2024-02-29 23:00'::timestamp, '1 hour') AS h",
    )
    source = {"kind": "sql", "url": postgres.url, "incremental": {"reread": REREAD}, **by}
    source |= {"parameters": {"most": 100}} if "query" in by else {}
    columns = {"unique_id": "sku", "ds": "hour", "y": "sold", "known_at": "known"}
    told = reading(source=source, columns=columns, features={"known": []})
    read(told, START, store)
    postgres.execute(
        "UPDATE shop_sales SET sold = 7, known = '2024-03-01 01:00' WHERE hour = '2024-02-29 13:00'",
        "INSERT INTO shop_sales VALUES ('a', '2024-03-01 00:00', 5, '2024-03-01 00:30')",
    )
    found = read(told, START + NIGHT, store)
    assert asked == [12, 6]
    assert found.clean["y"].tolist() == [1.0, 7.0, *[1.0] * 10, 5.0]


def test_a_night_keeps_the_raw_table_that_it_read(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store
) -> None:
    shop = Shop(tmp_path / "shop.db", versions=True)
    first = ingest.fn(sold(), START, store)
    shop.write("a", START - timedelta(hours=1), 9.0, START + timedelta(hours=1))
    second = ingest.fn(sold(), START + NIGHT, store)
    assert store.get(first)["y"].max() == 1.0
    assert store.get(second)["y"].max() == 9.0
    assert validate.fn(second, sold(), START + NIGHT, store).health.superseded == 1
