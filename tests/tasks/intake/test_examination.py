"""A table that is read and checked in parts gives what the same table gives as one part, whatever is wrong in it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract import Column, Contract, ServiceLevel
from data_contracts.rules import QualityRule
from tasks.ingestion import ingest
from tasks.intake import raw_parts, source_parts
from tasks.intake.examination import ValidationResult, examine_parts, examine_source
from tasks.intake.raw_parts import open_raw_parts
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store

AS_OF = datetime(2024, 3, 2, 6, 30, tzinfo=UTC)
COLUMNS = ("unique_id", "ds", "y", "heat", "town", "known_at")


class Case(NamedTuple):
    """A source, and how it is read."""

    frame: pd.DataFrame
    settings: dict[str, Any]


def hourly(series: int, hours: int, first: int) -> pd.DataFrame:
    """`hours` hours that end at noon of 2 March, six hours after the as-of, for each series."""
    times = pd.date_range(end="2024-03-02 12:00", periods=hours, freq="h", tz="UTC").as_unit("us")
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": times[(number * first) % 5 :],
                "y": 10.0 + number,
                "heat": 1.0,
                "town": "Bonn" if number % 2 else "Kiel",
                "known_at": pd.Timestamp("2024-03-01", tz="UTC"),
            }
        )
        for number in range(series)
    ]
    return pd.concat(parts, ignore_index=True)


VALUES: dict[str, list[Any]] = {
    "unique_id": [None, " ", "s1", "new"],
    "ds": [pd.NaT, *(pd.Timestamp(text, tz="UTC") for text in ("1900-01-01", "2024-03-01 07:20", "2099-12-31"))],
    "y": [np.nan, np.inf, 1e300, -5.0, 11.0],
    "heat": [np.nan, -np.inf],
    "town": [None, "Köln"],
    "known_at": [pd.NaT, pd.Timestamp("2024-03-01 12:00", tz="UTC"), pd.Timestamp("2024-03-03", tz="UTC")],
}
CELLS = [(name, value) for name, values in VALUES.items() for value in values]
RULES = (
    QualityRule(
        name="sold is not negative",
        sentence="y is at least 0.",
        severity="warning",
        expectation="expect_column_values_to_be_between",
        arguments={"column": "y", "min_value": 0},
    ),
    QualityRule(
        name="few values are 11",
        sentence="Less than a tenth is 11.",
        scope="series",
        expectation="expect_column_values_to_not_be_in_set",
        arguments={"column": "y", "value_set": [11.0], "mostly": 0.9},
    ),
)


FITTING = re.compile(r"; freq '\w+' fits \d+% of the rows")  # of the rows of the first part


@st.composite
def cases(draw: st.DrawFn) -> Case:
    frame = hourly(draw(st.integers(2, 6)), draw(st.integers(8, 40)), draw(st.integers(0, 2)))
    rows = st.integers(0, len(frame) - 1)
    for row, (name, value) in draw(st.lists(st.tuples(rows, st.sampled_from(CELLS)), max_size=6)):
        frame.loc[row, name] = value
    again = draw(st.lists(rows, max_size=4))
    frame = pd.concat([frame, frame.iloc[again].assign(y=3.0)], ignore_index=True)
    if draw(st.booleans()):
        frame = frame.sample(frac=1, random_state=draw(st.integers(0, 9)))
    faults = draw(st.sampled_from(["error", "warning", "series"]))
    levels = (ServiceLevel(property="latency", value="20h", enforced=True, scope="series"),)
    contract = Contract(
        id="c",
        version="1.0.0",
        columns=(Column(name="y", kind="number", required=draw(st.booleans())),),
        rules=RULES[: draw(st.integers(0, 2))],
        levels=levels[: draw(st.integers(0, 1))],
        row_faults=faults,
    )
    versions = draw(st.booleans())
    columns = {"unique_id": "unique_id", "ds": "ds", "y": "y"} | ({"known_at": "known_at"} if versions else {})
    known = ["heat"] if draw(st.booleans()) else []
    features = {"known": known, "observed": [] if known else ["heat"], "static": ["town"]}
    repeated = draw(st.sampled_from(["reject", "first", "last", "mean", "sum"]))
    fill = {"y": "zero"} if draw(st.booleans()) else {}
    cleaning = {"repeated": repeated, "fill": fill}
    read_as = {"columns": columns, "features": features, "cleaning": cleaning}
    return Case(frame, read_as | ({"contract": contract} if draw(st.integers(0, 3)) else {}))


def night(case: Case, folder: Path, rows: int) -> ValidationResult:
    """Ingest and examine with at most `rows` rows a part."""
    folder.mkdir(parents=True, exist_ok=True)
    case.frame.to_parquet(folder / "source.parquet", index=False, row_group_size=17)
    spec = {"pipeline": "p", "source": {"kind": "parquet", "path": str(folder / "source.parquet")}}
    reading = DatasetSpec.model_validate(spec | {"freq": "h", "zone": "UTC", "horizon": 3} | case.settings)
    store = Store(root=str(folder / "store"))
    with pytest.MonkeyPatch.context() as patch:
        for module in (source_parts, raw_parts):
            patch.setattr(module, "partition_rows", lambda: rows)
        patch.setattr(source_parts, "BATCH_ROWS", rows)
        raw = ingest.fn(reading, AS_OF, store)
        with open_raw_parts(raw, reading, store) as parts:
            return examine_parts(parts, reading, AS_OF)


def comparable(result: ValidationResult) -> dict[str, Any]:
    """Everything but the tables. Rules that no part breaks together have no order."""
    rest = {"cutoff": result.cutoff, "health": result.health, "notes": result.notes, "extreme": result.extreme}
    sentences = {"findings": result.findings, "stopping": result.stopping}
    return rest | {name: sorted(FITTING.sub("", text) for text in texts) for name, texts in sentences.items()}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(case=cases(), rows=st.sampled_from([1, 9, 30, 80]))
def test_parts_give_the_result_of_the_whole_table(case: Case, rows: int, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("parts")
    whole, parts = night(case, folder / "whole", 10_000), night(case, folder / "parts", rows)
    assert comparable(parts) == comparable(whole)
    for table in ("rejected", "clean"):
        expected, actual = getattr(whole, table), getattr(parts, table)
        assert (actual is None) == (expected is None)
        if expected is not None:
            texts = {"reason": lambda table: table["reason"].str.replace(FITTING, "", regex=True)}
            replaced = texts if table == "rejected" else {}
            pd.testing.assert_frame_equal(actual.assign(**replaced), expected.assign(**replaced))


@pytest.mark.parametrize("rows", [1, 30, 10_000])
def test_placeholder_is_far_from_the_times_of_the_table_in_any_part(rows: int, tmp_path: Path) -> None:
    frame = hourly(3, 24, 0)
    frame.loc[[*range(6), 24], "ds"] = pd.Timestamp("1900-01-01", tz="UTC")  # 6 % of the rows, 2 % of those of s1
    frame.loc[48, "ds"] = pd.Timestamp("2099-12-31", tz="UTC")
    longer = frame.iloc[25:72].drop(48).assign(ds=lambda rows: rows["ds"] - pd.Timedelta(hours=24))
    columns = {"unique_id": "unique_id", "ds": "ds", "y": "y"}
    case = Case(pd.concat([frame, longer]), {"columns": columns, "features": {"known": [], "static": ["town"]}})
    finding = next(text for text in night(case, tmp_path, rows).findings if "is near the others" in text)
    assert "1900-01-01, 2099-12-31 lies far from the other times, 2024-02-29 to 2024-03-02; correct" in finding
    assert "2 rows at fault, series 's1', 's2', rows 24, 48" in finding


@pytest.mark.parametrize("rows", [9, 10_000])
def test_source_is_examined_without_a_store(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"unique_id": "unique_id", "ds": "ds", "y": "y"}
    case = Case(hourly(3, 20, 1), {"columns": columns, "features": {"known": [], "static": ["town"]}})
    stored = night(case, tmp_path, 10_000)
    for module in (source_parts, raw_parts):
        monkeypatch.setattr(module, "partition_rows", lambda: rows)
    spec = {"pipeline": "p", "source": {"kind": "parquet", "path": str(tmp_path / "source.parquet")}}
    reading = DatasetSpec.model_validate(spec | {"freq": "h", "zone": "UTC", "horizon": 3} | case.settings)
    chosen: list[str] = []

    def choose(names: list[str]) -> list[str]:
        chosen[:] = names
        return reading.select_columns(names)

    result = examine_source(reading, AS_OF, choose)
    assert comparable(result) == comparable(stored)
    assert chosen == list(COLUMNS)
