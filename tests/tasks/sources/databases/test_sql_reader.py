"""PostgreSQL and SQLite as sources: complete, read only, with the same types, and without secrets in messages."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from pydantic import ValidationError

from data_contracts.contract import Contract
from data_contracts.errors import SourceUnreadable, SpecError
from data_contracts.odcs_compiler import read_contract
from tasks.ingestion import ingest
from tasks.sources import limits
from tasks.sources.databases import sql_connection, sql_reader
from tasks.sources.dataset import DatasetSpec
from tasks.sources.missing import SourceMissing
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MakeSpec = Callable[..., DatasetSpec]
Sales = Callable[..., pd.DataFrame]


def lite(path: Path, *statements: str) -> str:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return f"sqlite:///{path}"


def lenient(folder: Path) -> Contract:
    """Return a contract under which a bad row goes to quarantine alone."""
    table = {"name": "odd", "properties": [{"name": "sku"}]}
    table |= {"customProperties": [{"property": "rowFaults", "value": "warning"}]}
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "odd", "version": "1.0.0", "status": "active"}
    (folder / "odd.yaml").write_text(yaml.safe_dump(document | {"schema": [table]}), encoding="utf-8")
    return read_contract(folder / "odd.yaml")


def sql(url: str, **fields: Any) -> SourceSpec:
    return SourceSpec.model_validate({"kind": "sql", "url": url, **fields})


@pytest.fixture
def shop(postgres: Any) -> Any:
    postgres.execute(
        "DROP TABLE IF EXISTS kinds, busy",
        "CREATE TABLE kinds (id integer, amount numeric(12,3), big bigint, share double precision, open boolean, "
        "day date, at timestamptz, local timestamp, note text, tags jsonb)",
        "INSERT INTO kinds VALUES (7, 1.250, 9007199254740993, 0.1, true, '2024-03-01', '2024-03-01 12:00+02', "
        "'2024-03-01 12:00', 'a', '{\"b\": 1}'), (8, 'NaN', NULL, 'Infinity', false, NULL, NULL, NULL, NULL, NULL)",
    )
    return postgres


def test_each_database_type_has_one_arrow_type_and_nulls_stay_nulls(shop: Any) -> None:
    table = read_source(sql(shop.url, query="SELECT * FROM kinds ORDER BY id"))
    assert {field.name: str(field.type) for field in table.schema} == {
        "id": "int64",
        "amount": "double",
        "big": "int64",
        "share": "double",
        "open": "bool",
        "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "note": "string",
        "tags": "string",
    }
    first, second = table.to_pylist()
    assert (first["amount"], first["big"], first["tags"]) == (1.25, 9007199254740993, '{"b": 1}')
    assert first["at"] == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert [second[name] for name in ("big", "day", "at", "local", "note")] == [None] * 5
    assert (second["amount"] != second["amount"], second["share"]) == (True, float("inf"))


def test_table_with_schema_is_read_by_chosen_columns(shop: Any) -> None:
    shop.execute("CREATE SCHEMA IF NOT EXISTS \"My Shop\"", 'DROP TABLE IF EXISTS "My Shop"."Day Sales"',
                 'CREATE TABLE "My Shop"."Day Sales" AS SELECT 1 AS "a:b", 2 AS "100%", 3 AS other')  # fmt: skip
    source = sql(shop.url, table="My Shop.Day Sales")
    assert read_source(source, ["100%", "a:b"]).to_pylist() == [{"100%": 2, "a:b": 1}]
    missing = read_source(source, ["a:b", "gone"])
    assert (missing.num_rows, missing.column_names) == (0, ["a:b", "100%", "other"])


def test_parameters_are_bound_not_interpolated(shop: Any, tmp_path: Path) -> None:
    evil = "a' OR 1=1; DROP TABLE kinds; --"
    query = "SELECT id FROM kinds WHERE note = :note"
    assert read_source(sql(shop.url, query=query, parameters={"note": evil})).num_rows == 0
    assert read_source(sql(shop.url, query=query, parameters={"note": "a"}))["id"].to_pylist() == [7]
    url = lite(tmp_path / "s.db", "CREATE TABLE kinds (id, note)", "INSERT INTO kinds VALUES (7, 'a')")
    assert read_source(sql(url, query=query, parameters={"note": evil})).num_rows == 0
    assert read_source(sql(url, query=query, parameters={"note": "a"}))["id"].to_pylist() == [7]


def test_as_of_is_bound_in_query_that_uses_it(shop: Any, tmp_path: Path) -> None:
    fields = {"query": "SELECT id FROM hours WHERE at < :as_of ORDER BY id"}
    shop.execute("DROP TABLE IF EXISTS hours", "CREATE TABLE hours (id integer, at timestamp)",
                 "INSERT INTO hours VALUES (1, '2024-03-02 06:59'), (2, '2024-03-02 07:00')")  # fmt: skip
    naive = sql(shop.url, **fields, timezone="Europe/Berlin")  # six in UTC is seven in Berlin
    assert read_source(naive, None, AS_OF)["id"].to_pylist() == [1]
    url = lite(tmp_path / "s.db", "CREATE TABLE hours (id, at)",
               "INSERT INTO hours VALUES (1, '2024-03-02 05:59:59'), (2, '2024-03-02 06:00:00')")  # fmt: skip
    assert read_source(sql(url, **fields), None, AS_OF)["id"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "needs either query or table"),
        ({"query": "SELECT 1", "table": "t"}, "needs either query or table"),
        ({"query": "SELECT :shop"}, "query uses :shop, but source.parameters has no shop"),
        (
            {"query": "SELECT 1", "parameters": {"shop": 1}},
            "source.parameters has 'shop', but the query does not use it",
        ),
        ({"query": "SELECT :as_of", "parameters": {"as_of": "2024-01-01"}}, "as_of is reserved"),
        ({"query": "SELECT '${PASSWORD}'"}, r"query contains \$\{PASSWORD\}; add it to source.parameters"),
        ({"query": "SELECT 1", "path": "s.csv"}, "kind sql does not have path"),
    ],
)
def test_wrong_sql_source_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sql("sqlite:///s.db", **fields)


def test_read_cannot_write(shop: Any, tmp_path: Path) -> None:
    shop.execute("CREATE SEQUENCE IF NOT EXISTS counter")
    with pytest.raises(SourceUnreadable, match="read-only transaction"):
        read_source(sql(shop.url, query="SELECT nextval('counter') AS id"))
    with pytest.raises(SourceUnreadable, match="the database says"):
        read_source(sql(shop.url, query="DELETE FROM kinds RETURNING id"))
    assert read_source(sql(shop.url, table="kinds")).num_rows == 2
    url = lite(tmp_path / "s.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    with pytest.raises(SourceUnreadable, match="readonly"):
        read_source(sql(url, query="DELETE FROM t RETURNING a"))
    with pytest.raises(SourceMissing, match=r"Looked for .*/gone.db; the folder .* exists and holds s.db"):
        read_source(sql(f"sqlite:///{tmp_path}/gone.db", table="t"))
    assert not (tmp_path / "gone.db").exists()


@pytest.mark.parametrize(
    "query", ["ATTACH '{}/new.db' AS other", "VACUUM INTO '{}/new.db'", "PRAGMA journal_mode = WAL", "DROP TABLE t"]
)
def test_statement_cannot_create_or_change_a_file(tmp_path: Path, query: str) -> None:
    url = lite(tmp_path / "s.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    before = (tmp_path / "s.db").read_bytes()
    with pytest.raises(SourceUnreadable, match="the database says"):
        read_source(sql(url, query=query.format(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]
    assert (tmp_path / "s.db").read_bytes() == before


def test_time_outside_python_range_rejects_only_its_row(
    shop: Any, reading: MakeSpec, store: Store, tmp_path: Path
) -> None:
    shop.execute(
        "DROP TABLE IF EXISTS odd",
        "CREATE TABLE odd (sku text, hour timestamptz, sold float8)",
        "INSERT INTO odd VALUES ('a', '2024-03-01 00:00', 1.5), ('a', '2024-03-01 01:00', 4)",
        "INSERT INTO odd VALUES ('a', 'infinity', 2), ('a', '0044-03-15 BC', 3)",
    )
    columns = {"unique_id": "sku", "ds": "hour", "y": "sold"}
    spec = reading(
        source={"kind": "sql", "url": shop.url, "table": "odd"}, columns=columns, features={"known": []},
        contract=lenient(tmp_path),
    )  # fmt: skip
    validated = validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store)
    assert store.get(validated.clean)["y"].tolist() == [1.5, 4.0]
    assert validated.quarantine is not None
    assert sorted(store.get(validated.quarantine)["ds"]) == ["0044-03-15 00:00:00+00 BC", "infinity"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": "SELEC 1"}, "the database says: syntax error"),
        ({"table": "nowhere"}, 'the database says: relation "nowhere" does not exist'),
        ({"query": "SELECT gone FROM kinds"}, 'the database says: column "gone" does not exist'),
    ],
)
def test_database_error_is_one_sentence(shop: Any, fields: dict[str, str], message: str) -> None:
    with pytest.raises(SourceUnreadable, match=message) as refused:
        read_source(sql(shop.url, **fields))
    assert refused.value.exit_code == 3
    assert shop.password not in str(refused.value)


def test_wrong_password_and_closed_port_are_reported_without_secret(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_reader, "RETRY_DELAYS_S", ())
    place = f"{shop.host}:{shop.port}/postgres"
    with pytest.raises(
        SourceUnreadable, match=r"postgresql://…@127\.0\.0\.1.*\n.*password authentication failed"
    ) as password_error:
        read_source(sql(f"postgresql://night:hunter2@{place}", table="kinds"))
    with pytest.raises(SourceUnreadable, match="Connection refused") as port_error:
        read_source(sql("postgresql://night:hunter2@127.0.0.1:1/postgres", table="kinds"))
    assert "hunter2" not in f"{password_error.value}{port_error.value}"


@pytest.mark.parametrize("url", ["nonsense", "nowhere://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "sqlite://"])
def test_unknown_database_url_is_a_spec_error(url: str) -> None:
    with pytest.raises(SpecError) as refused:
        read_source(sql(url, table="t"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql+pymysql://u:hunter2@h/d", "No module named 'pymysql'; install the driver of this database"),
        ("postgresql+asyncpg://u:hunter2@h/d", r"an asynchronous driver; .* as in postgresql://…"),
    ],
)
def test_unusable_driver_is_reported_with_what_to_do(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        read_source(sql(url, table="t"))
    assert "hunter2" not in str(refused.value)


def test_missing_driver_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(SpecError, match=r"pip install 'nightcast\[postgresql\]'"):
        read_source(sql("postgresql://u:p@127.0.0.1/d", table="t"))


def test_large_result_is_read_in_batches_and_larger_result_is_refused(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = sql(shop.url, query="SELECT n AS id, n * 0.5 AS y FROM generate_series(1, 5000) AS n")
    monkeypatch.setattr(sql_reader, "VALUES_PER_FETCH", 1000)
    table = read_source(many)
    assert (table.num_rows, table["y"].to_pylist()[-1], table["id"].num_chunks) == (5000, 2500.0, 10)
    monkeypatch.setattr(limits, "MAX_VALUES", 5999)
    with pytest.raises(SourceUnreadable, match="holds 6,000 values or more, and at most 5,999 are read"):
        read_source(many)


def test_column_with_integers_and_floats_in_different_batches_is_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_reader, "VALUES_PER_FETCH", 1)
    url = lite(tmp_path / "s.db", "CREATE TABLE t (y)", "INSERT INTO t VALUES (NULL), (1), (2.5)")
    assert read_source(sql(url, table="t"))["y"].to_pylist() == [None, 1.0, 2.5]
    url = lite(tmp_path / "s.db", "INSERT INTO t VALUES ('many')")
    assert read_source(sql(url, table="t"))["y"].to_pylist() == [None, "1", "2.5", "many"]


def test_dropped_connection_is_read_again_from_the_start(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_reader, "RETRY_DELAYS_S", (0.0, 0.0))
    monkeypatch.setattr(sql_reader, "VALUES_PER_FETCH", 100)
    killed: list[int] = []
    column = sql_reader.arrow_columns.column

    def cut(values: Any) -> pa.Array:
        if len(killed) < 2:
            with shop.connect() as other:
                killed.append(1)
                other.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
        return column(values)

    monkeypatch.setattr(sql_reader.arrow_columns, "column", cut)
    source = sql(shop.url, query="SELECT n AS broken_series FROM generate_series(1, 1000) AS n")
    assert read_source(source)["broken_series"].to_pylist() == list(range(1, 1001))
    assert len(killed) == 2
    killed.clear()
    monkeypatch.setattr(sql_reader, "RETRY_DELAYS_S", (0.0,))
    with pytest.raises(SourceUnreadable, match="the database says"):
        read_source(source)


def test_lock_timeout_is_reported(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_reader, "RETRY_DELAYS_S", ())
    monkeypatch.setattr(sql_connection, "LOCK_TIMEOUT", "100ms")
    with shop.connect() as other, other.transaction():
        other.execute("LOCK TABLE kinds IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceUnreadable, match="lock timeout"):
            read_source(sql(shop.url, table="kinds"))


def test_unchanged_database_gives_the_same_raw_table(shop: Any, reading: MakeSpec, sales: Sales, store: Store) -> None:
    frame = sales()
    shop.execute("DROP TABLE IF EXISTS sales",
                 "CREATE TABLE sales (sku text, hour timestamptz, sold float8, price float8, visits float8, "
                 "town text)")  # fmt: skip

    def insert(rows: pd.DataFrame) -> None:
        with shop.connect() as connection, connection.cursor() as cursor:
            plain = rows[["sku", "hour", "sold", "price", "visits", "town"]].astype(object)
            values = plain.where(plain.notna(), None).to_numpy().tolist()
            cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s, %s, %s, %s)", values)

    insert(frame.sample(frac=1, random_state=1))
    spec = reading(source={"kind": "sql", "url": shop.url, "table": "sales"})
    first = ingest(spec, AS_OF, store)
    shop.execute("CREATE TABLE other AS TABLE sales ORDER BY sold, price", "DROP TABLE sales",
                 "ALTER TABLE other RENAME TO sales")  # fmt: skip
    assert ingest(spec, AS_OF, store) == first  # the order of the rows does not matter
    insert(frame[frame["sku"] == "pear"].assign(hour=frame["hour"] + pd.Timedelta("40h")))
    assert ingest(spec, AS_OF, store) == first  # nor do rows that were not known yet
    shop.execute("UPDATE sales SET sold = 99 WHERE sku = 'apple' AND hour = '2024-03-01T05:00Z'")
    second = ingest(spec, AS_OF, store)
    assert second.digest != first.digest
    clean = store.get(validate.fn(second, spec, AS_OF, store).clean)
    assert clean.loc[clean["y"] == 99, "ds"].tolist() == [pd.Timestamp("2024-03-01 05:00", tz="UTC")]
    shop.execute("DROP TABLE sales")


def test_threads_do_not_share_a_connection(shop: Any) -> None:
    source, counts = sql(shop.url, table="kinds"), []
    workers = [threading.Thread(target=lambda: counts.append(read_source(source).num_rows)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counts == [2] * 4
