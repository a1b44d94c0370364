"""An incremental read gives the same panel as a full read for any history of inserts, late rows and updates."""

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
from tasks.intake.examination import examine
from tasks.sources.databases import incremental as incremental_module
from tasks.sources.dataset import DatasetSpec
from tasks.storage import snapshots
from tasks.storage.store import Store
from tasks.validation import validate

MakeSpec = Callable[..., DatasetSpec]
START = datetime(2024, 3, 1, tzinfo=UTC)
NIGHT = timedelta(hours=6)
REREAD = "3h"


class Change(NamedTuple):
    """A new or updated row at a minute of a night; it is visible `delay` minutes after it became known.

    `clock` is the separator in the text of `known_at`, T or a space; if empty, `known_at` is missing.
    """

    minute: int
    series: str
    step: int
    y: float | None
    delay: int
    clock: str


CHANGES = st.builds(
    Change,
    minute=st.integers(0, 359),
    series=st.sampled_from("ab"),
    step=st.integers(-12, 9),  # hours before or after the start of the night
    y=st.none() | st.integers(0, 9).map(float),
    delay=st.sampled_from([0, 0, 0, 30, 170]),
    clock=st.sampled_from(["T", "T", "T", "T", " ", ""]),
)
HISTORIES = st.lists(st.lists(CHANGES, max_size=6), min_size=2, max_size=4)


class Shop:
    """A table of sales in SQLite. With `versions` it keeps every version of a row, otherwise only the newest."""

    def __init__(self, path: Path, *, versions: bool) -> None:
        path.unlink(missing_ok=True)
        self.db, self.versions = sqlite3.connect(path), versions
        self.db.execute("CREATE TABLE sales (sku TEXT, hour TEXT, sold REAL, known TEXT)")
        for hour in range(-12, 0):
            self.write("a", START + timedelta(hours=hour), 1.0, START + timedelta(hours=hour, minutes=30))

    def write(self, series: str, hour: datetime, y: float | None, known: datetime, clock: str = "T") -> None:
        if not self.versions:
            clock = clock or "T"  # an updated row must have known_at
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
def sold(reading: MakeSpec, tmp_path: Path) -> Callable[..., DatasetSpec]:
    """sold(incremental=…): the DatasetSpec of the sales in shop.db; a bad row goes to quarantine alone."""
    (tmp_path / "lenient.yaml").write_text(LENIENT, encoding="utf-8")
    contract = read_contract(tmp_path / "lenient.yaml")

    def make(*, incremental: bool = True, **changes: Any) -> DatasetSpec:
        source = {"kind": "sql", "url": f"sqlite:///{tmp_path / 'shop.db'}", "table": "sales"}
        source |= {"incremental": {"reread": REREAD}} if incremental else {}
        columns = {"unique_id": "sku", "ds": "hour", "y": "sold", "known_at": "known"}
        plain = {"source": source, "columns": columns, "features": {"known": []}, "contract": contract}
        return reading(**plain | changes)

    return make


def read(spec: DatasetSpec, as_of: datetime, store: Store) -> Any:
    """Run a night and keep its snapshot: its clean table and findings."""
    raw = known_table(spec, as_of, store)
    result = examine(raw.to_pandas(), spec, as_of)
    if spec.source.incremental and not result.stopping:
        clean = store.put(result.clean, "clean")
        snapshot = {
            "reading": incremental_module.dataset_spec_digest(spec),
            "raw": store.put(raw, "raw"),
            "clean": clean,
        }
        snapshots.record_snapshot(
            snapshots.Snapshot(as_of=as_of, cutoff=result.cutoff, **snapshot), spec.pipeline, store
        )
    return result


def live(history: list[list[Change]], shop: Shop, sold: Callable[..., DatasetSpec], store: Store) -> int:
    """Run the nights of a history; returns how many rows did not have to be read."""
    spared, waiting = 0, []
    for night, changes in enumerate(history):
        begins = START + night * NIGHT
        for change in changes:
            known = begins + timedelta(minutes=change.minute)
            hour = begins + timedelta(hours=change.step)
            waiting.append((known + timedelta(minutes=change.delay), change, hour, known))
        as_of = begins + NIGHT
        for visible, change, hour, known in sorted(waiting, key=lambda item: (item[3], item[0])):
            if visible < as_of:
                shop.write(change.series, hour, change.y, known, change.clock)
        waiting = [item for item in waiting if item[0] >= as_of]
        part, whole = read(sold(), as_of, store), read(sold(incremental=False), as_of, store)
        assert (part.cutoff, part.findings, part.stopping) == (whole.cutoff, whole.findings, whole.stopping)
        if not part.stopping:
            pd.testing.assert_frame_equal(part.clean, whole.clean, check_exact=True)
            assert (part.health.used, part.health.quarantined) == (whole.health.used, whole.health.quarantined)
        plan = incremental_module.plan_incremental_read(
            sold(), snapshots.snapshot_before(sold().pipeline, as_of + NIGHT, store), store
        )
        spared += plan[1].num_rows if plan else 0
    return spared


def any_history(examples: int) -> Any:
    def made(test: Any) -> Any:
        quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        return settings(max_examples=examples, suppress_health_check=quiet)(
            given(history=HISTORIES, versions=st.booleans())(test)
        )

    return made


@any_history(25)
def test_incremental_read_equals_full_read(
    sold: Callable[..., DatasetSpec], tmp_path: Path, tmp_path_factory: Any, history: Any, versions: bool
) -> None:
    store = Store(root=str(tmp_path_factory.mktemp("store")))
    live(history, Shop(tmp_path / "shop.db", versions=versions), sold, store)


@pytest.mark.slow
@any_history(500)
def test_incremental_read_equals_full_read_in_500_histories(
    sold: Callable[..., DatasetSpec], tmp_path: Path, tmp_path_factory: Any, history: Any, versions: bool
) -> None:
    store = Store(root=str(tmp_path_factory.mktemp("store")))
    live(history, Shop(tmp_path / "shop.db", versions=versions), sold, store)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each read of the source."""
    counts, true = [], ingestion.read_source

    def counting(*arguments: Any) -> pa.Table:
        table = true(*arguments)
        counts.append(table.num_rows)
        return table

    monkeypatch.setattr(ingestion, "read_source", counting)
    return counts


def test_second_night_reads_the_reread_window_and_new_rows(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    shop = Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    shop.write("a", START, 5.0, START + timedelta(minutes=30))
    result = read(sold(), START + NIGHT, store)
    assert asked == [12, 5]  # of 13: the new row, the newest known row, and the three hours before it
    assert result.clean["y"].tolist() == [1.0] * 12 + [5.0]


@pytest.mark.parametrize("changes", [{"freq": "30min"}, {"features": {"known": ["hour"]}}])
def test_changed_spec_is_read_in_full(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int], changes: dict[str, Any]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    read(sold(**changes), START + NIGHT, store)
    assert asked == [12, 12]


def test_lost_snapshot_is_read_in_full(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    read(sold(), START, store)
    for path in Path(store.root, "artifacts", "raw").iterdir():
        path.unlink()
    assert read(sold(), START + NIGHT, store).clean["y"].tolist() == [1.0] * 12
    assert asked == [12, 12]


def test_text_that_does_not_sort_like_its_times_is_read_in_full(
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
def test_new_row_with_another_format_of_known_at_is_read(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, by: dict[str, str], known: str, values: list[float]
) -> None:
    shop, source = Shop(tmp_path / "shop.db", versions=True), {"kind": "sql", "url": f"sqlite:///{tmp_path}/shop.db"}
    spec = sold(source=source | by | {"incremental": {"reread": REREAD}})
    for hour, known_at in ((0, 2), (2, 5)):
        shop.write("a", START + timedelta(hours=hour), 2.0, START + timedelta(hours=known_at))
    read(spec, START + NIGHT, store)
    shop.db.execute("INSERT INTO sales VALUES ('a', '2024-03-01T01:00:00Z', 5, ?)", (known,))
    shop.db.commit()
    result = read(spec, START + 2 * NIGHT, store)
    assert result.clean["y"].dropna().tolist() == [*[1.0] * 12, 2.0, *values, 2.0]
    assert result.health.quarantined == 1 - len(values)
    after = read(spec, START + 3 * NIGHT, store).health
    assert (after.read, after.quarantined) == (result.health.read, result.health.quarantined)


def test_query_that_uses_as_of_is_read_in_full(
    sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store, asked: list[int]
) -> None:
    Shop(tmp_path / "shop.db", versions=False)
    query = "SELECT * FROM sales WHERE hour >= strftime('%Y-%m-%dT%H:%M:%SZ', :as_of, '-16 hours')"
    source = {"kind": "sql", "url": f"sqlite:///{tmp_path}/shop.db", "query": query}
    spec = sold(source=source | {"incremental": {"reread": REREAD}})
    read(spec, START, store)
    assert read(spec, START + NIGHT, store).clean["y"].tolist() == [1.0] * 10
    assert asked == [12, 10]


@pytest.mark.parametrize("by", [{"table": "shop_sales"}, {"query": "SELECT * FROM shop_sales WHERE sold < :most"}])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_postgresql_table_and_query_are_read_from_their_watermark(
    postgres: Any, reading: MakeSpec, store: Store, asked: list[int], by: dict[str, Any], kind: str
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
    spec = reading(source=source, columns=columns, features={"known": []})
    read(spec, START, store)
    postgres.execute(
        "UPDATE shop_sales SET sold = 7, known = '2024-03-01 01:00' WHERE hour = '2024-02-29 13:00'",
        "INSERT INTO shop_sales VALUES ('a', '2024-03-01 00:00', 5, '2024-03-01 00:30')",
    )
    result = read(spec, START + NIGHT, store)
    assert asked == [12, 6]
    assert result.clean["y"].tolist() == [1.0, 7.0, *[1.0] * 10, 5.0]


def test_night_keeps_its_raw_table(sold: Callable[..., DatasetSpec], tmp_path: Path, store: Store) -> None:
    shop = Shop(tmp_path / "shop.db", versions=True)
    first = ingest.fn(sold(), START, store)
    shop.write("a", START - timedelta(hours=1), 9.0, START + timedelta(hours=1))
    second = ingest.fn(sold(), START + NIGHT, store)
    assert store.get(first)["y"].max() == 1.0
    assert store.get(second)["y"].max() == 9.0
    assert validate.fn(second, sold(), START + NIGHT, store).health.superseded == 1
