"""Write, audit, publish: misleading tables are refused, a vintage exists once, latest is never older."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ContractBroken
from tasks.modeling import forecasts as forecasts_module
from tasks.storage import vintages
from tasks.storage.store import Store

FIRST, SECOND, THIRD = (datetime(2024, 3, day, tzinfo=UTC) for day in (8, 9, 10))


def forecasts(night: datetime = FIRST, horizon: int = 3, level: float = 5.0) -> pd.DataFrame:
    cutoff = pd.Timestamp(night) - pd.Timedelta(hours=1)
    steps = np.arange(1, horizon + 1)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": cutoff + pd.to_timedelta(steps, unit="h"),
                "as_of": pd.Timestamp(night),
                "cutoff": cutoff,
                "step": steps.astype("int16"),
                "y_hat": level,
                "q10": level - 1.0,
                "q50": level,
                "q90": level + 1.0,
                "model_name": "gru",
                "model_version": "1",
                "run_id": "r1",
                "source": "champion",
                "degraded_reason": pd.Series([None] * horizon, dtype="str"),
            }
        )
        for name in ("a", "b")
    ]
    return pd.concat(parts, ignore_index=True)


def changed(row: int, **values: Any) -> pd.DataFrame:
    table = forecasts()
    for name, value in values.items():
        table.loc[row, name] = value
    return table


def test_complete_finite_and_ordered_table_passes_the_audit() -> None:
    forecasts_module.audit_forecasts(forecasts(), 3)
    forecasts_module.audit_forecasts(forecasts().sample(frac=1, random_state=0), 3)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (forecasts().head(0), "the table has no rows"),
        (changed(1, y_hat=np.nan), "1 rows have a forecast that is not finite"),
        (changed(1, q90=np.inf), "1 rows have a forecast that is not finite"),
        (changed(1, q10=5.5), "quantiles decrease from a lower to a higher level"),
        (forecasts().drop(index=5), "1 series do not have exactly 3 steps"),
        (forecasts(horizon=2), "2 series do not have exactly 3 steps"),
        (pd.concat([forecasts(), forecasts().tail(1)]), "occurs more than once"),
        (changed(1, ds=pd.Timestamp("2024-03-07 23:00", tz="UTC")), "not after its cutoff"),
        (changed(1, step=3), "steps do not count from 1 to 3"),
        (forecasts().assign(step=np.array([3, 2, 1] * 2, dtype="int16")), "steps do not count from 1 to 3"),
    ],
)
def test_misleading_table_fails_the_audit(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(ContractBroken, match=f"(?s)the forecasts table.*{said}"):
        forecasts_module.audit_forecasts(table, 3)


def test_quantiles_may_be_equal() -> None:
    forecasts_module.audit_forecasts(forecasts().assign(q10=5.0, q90=5.0), 3)


def publish(store: Store, night: datetime, level: float = 5.0) -> str:
    return vintages.publish(store.put(forecasts(night, level=level), "forecasts"), "shop", night, store).uri


def latest(store: Store) -> pd.DataFrame:
    return pd.read_parquet(Path(store.root) / "latest/pipeline=shop/forecasts.parquet")


def test_published_vintage_has_the_documented_path(store: Store) -> None:
    assert publish(store, FIRST) == "forecasts/pipeline=shop/vintage=2024-03-08T000000Z/forecasts.parquet"
    assert latest(store).equals(pd.read_parquet(Path(store.root) / publish(store, FIRST)))


def test_publishing_a_vintage_again_replaces_it(store: Store) -> None:
    publish(store, FIRST, level=5.0)
    publish(store, FIRST, level=7.0)
    table = pd.read_parquet(Path(store.root) / "forecasts")
    assert table["y_hat"].tolist() == [7.0] * 6
    assert not table.duplicated(["unique_id", "ds", "cutoff"]).any()
    assert latest(store)["y_hat"].tolist() == [7.0] * 6


def test_publishing_the_same_table_again_writes_nothing(store: Store) -> None:
    path = Path(store.root) / publish(store, FIRST)
    before = path.stat().st_mtime_ns
    publish(store, FIRST)
    assert path.stat().st_mtime_ns == before


def test_latest_is_never_an_older_vintage(store: Store) -> None:
    publish(store, SECOND, level=2.0)
    publish(store, FIRST, level=1.0)
    assert set(latest(store)["y_hat"]) == {2.0}
    publish(store, THIRD, level=3.0)
    publish(store, SECOND, level=2.5)
    assert set(latest(store)["y_hat"]) == {3.0}


def test_pandas_and_duckdb_read_the_partitioned_folder(store: Store) -> None:
    for night in (FIRST, SECOND, THIRD):
        publish(store, night)
    folder = Path(store.root) / "forecasts"
    table = pd.read_parquet(folder)
    assert len(table) == 18
    assert sorted(table["vintage"].astype(str).unique()) == [f"2024-03-{day:02}T000000Z" for day in (8, 9, 10)]
    alone = pd.read_parquet(Path(store.root) / publish(store, FIRST))
    assert not {"pipeline", "vintage"} & set(alone.columns)
    counted = duckdb.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    rows = counted.aggregate("pipeline, vintage, count(*)", "pipeline, vintage").order("vintage").fetchall()
    assert rows == [("shop", f"2024-03-{day:02}T000000Z", 6) for day in (8, 9, 10)]


def test_newest_earlier_vintages_are_listed_oldest_first(store: Store) -> None:
    for night in (FIRST, SECOND, THIRD):
        publish(store, night)
    found = vintages.list_published_before("shop", THIRD + timedelta(hours=1), 2, store)
    assert [one.as_of for one in found] == [SECOND, THIRD]
    assert [one.as_of for one in vintages.list_published_before("shop", SECOND, 9, store)] == [FIRST]
    assert vintages.list_published_before("shop", FIRST + timedelta(microseconds=5), 9, store) == ()
    assert vintages.list_published_before("other", THIRD, 9, store) == ()
    assert store.get(found[0].file)["y_hat"].tolist() == [5.0] * 6


def test_damaged_vintage_is_skipped(store: Store) -> None:
    for night in (FIRST, SECOND, THIRD):
        publish(store, night)
    (Path(store.root) / "forecasts/pipeline=shop/vintage=2024-03-09T000000Z/forecasts.parquet").write_bytes(b"rot")
    found = vintages.list_published_before("shop", THIRD + timedelta(hours=1), 2, store)
    assert [one.as_of for one in found] == [FIRST, THIRD]


def test_foreign_files_next_to_the_vintages_are_ignored(store: Store) -> None:
    publish(store, FIRST)
    folder = Path(store.root) / "forecasts/pipeline=shop"
    (folder / "vintage=backup").mkdir()
    (folder / "vintage=backup/forecasts.parquet").write_bytes(b"?")
    (folder / "notes.txt").write_text("mine")
    (folder / "vintage=2024-03-08T000000Z/forecasts.parquet.bak").write_bytes(b"?")
    publish(store, SECOND, level=2.0)
    assert set(latest(store)["y_hat"]) == {2.0}
    assert [one.as_of for one in vintages.list_published_before("shop", THIRD, 9, store)] == [FIRST, SECOND]
