"""Rows with known_at: a night uses the newest version that was known at its as-of."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data_contracts.errors import ContractBroken
from flows.pipeline.spec import PipelineSpec
from tasks.ingestion import ingest
from tasks.results.steps import RowCounts
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.validation import validate

MakeSpec = Callable[..., DatasetSpec]
# hour of the sale, quantity, known at
ROWS = [
    ("00:00", 1, "01:00"),
    ("01:00", 2, "02:00"),
    ("00:00", 5, "02:30"),
    ("02:00", 3, "03:00"),
    ("01:00", 9, "08:00"),
]


def table(rows: list[tuple[str, float, str]]) -> pd.DataFrame:
    stamps = [
        (f"2024-03-01T{hour}:00Z", sold, f"2024-03-01T{known}:00Z" if known else None) for hour, sold, known in rows
    ]
    return pd.DataFrame(stamps, columns=["hour", "sold", "known"]).assign(sku="a")


@pytest.fixture
def night(reading: MakeSpec, tmp_path: Path, store: Store) -> Callable[..., tuple[list[float], RowCounts]]:
    """night(rows, "03:30"): (y, row counts) as known at that time of 1 March."""

    def run(rows: list[tuple[str, float, str]], at: str) -> tuple[list[float], RowCounts]:
        table(rows).to_csv(tmp_path / "s.csv", index=False)
        columns = {"unique_id": "sku", "ds": "hour", "y": "sold", "known_at": "known"}
        spec = reading(source={"kind": "csv", "path": str(tmp_path / "s.csv")}, columns=columns, features={"known": []})
        as_of = datetime.fromisoformat(f"2024-03-01T{at}").replace(tzinfo=UTC)
        validated = validate.fn(ingest.fn(spec, as_of, store), spec, as_of, store)
        return store.get(validated.clean)["y"].tolist(), validated.health

    return run


@pytest.mark.parametrize(
    ("at", "values", "superseded"),
    [
        ("01:30", [1], 0),
        ("02:00", [1], 0),  # known at 02:00 is not known before it
        ("02:10", [1, 2], 0),
        ("02:45", [5, 2], 1),
        ("07:59", [5, 2, 3], 1),
        ("08:01", [5, 9, 3], 2),
    ],
)
def test_night_uses_the_newest_known_version(night: Any, at: str, values: list[float], superseded: int) -> None:
    known, health = night(ROWS, at)
    assert known == values
    assert health.superseded == superseded
    assert (health.read, health.used, health.quarantined) == (len(values), len(values), 0)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(ROWS))
def test_order_of_versions_does_not_matter(night: Any, order: list[tuple[str, float, str]]) -> None:
    assert night(order, "23:00")[0] == [5, 9, 3]


def test_two_versions_known_at_the_same_time_are_duplicates(night: Any) -> None:
    with pytest.raises(ContractBroken, match="'one row a series and time'"):
        night([*ROWS, ("01:00", 7, "08:00")], "23:00")


@pytest.mark.parametrize("known", ["", "25:00"])
def test_row_without_known_at_is_rejected(night: Any, known: str) -> None:
    with pytest.raises(
        ContractBroken, match="'known_at is a time', column 'known': must be the time at which the row became known"
    ):
        night([*ROWS, ("03:00", 7, known)], "23:00")


def test_column_has_one_role_and_incremental_needs_known_at() -> None:
    spec: dict[str, Any] = {
        "name": "shop",
        "source": {"kind": "sql", "url": "sqlite:///s.db", "table": "t", "incremental": {}},
        "columns": {"ds": "hour", "y": "sold"},
        "freq": "h",
        "windowing": {"horizon": 3},
    }
    with pytest.raises(ValidationError, match=r"source\.incremental needs columns\.known_at"):
        PipelineSpec.model_validate(spec)
    with pytest.raises(ValidationError, match="'hour' has two roles"):
        PipelineSpec.model_validate(spec | {"columns": {"ds": "hour", "y": "sold", "known_at": "hour"}})
