"""What a violation costs: the night, its series, its rows, or only a line in the report; no row is lost."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract import Contract
from data_contracts.errors import ContractBroken, SpecError
from tasks.ingestion import ingest
from tasks.intake.examination import examine
from tasks.results.steps import ValidatedTable
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MakeDataset = Callable[..., DatasetSpec]
MakeSales = Callable[..., pd.DataFrame]
MakeContract = Callable[..., Contract]
SERIES = {"customProperties": [{"property": "scope", "value": "series"}]}
GX = {"type": "custom", "engine": "greatExpectations"}
SMALL: dict[str, Any] = GX | {
    "name": "sold is small",
    "implementation": "type: expect_column_values_to_be_between\nkwargs: {column: sold, max_value: 100}",
}


def night(frame: pd.DataFrame, reading: DatasetSpec, store: Store) -> ValidatedTable:
    frame.to_parquet(reading.source.path, index=False)
    return validate.fn(ingest.fn(reading, AS_OF, store), reading, AS_OF, store)


def three(sales: MakeSales, **changes: Any) -> pd.DataFrame:
    """The shop's apples and pears, and plums beside them: rows 0, 33 and 66 are the first of each."""
    frame = sales()
    plums = frame[frame["sku"] == "apple"].assign(sku="plum")
    return pd.concat([frame, plums], ignore_index=True)


def test_error_of_scope_series_excludes_only_that_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[[40, 41], "sold"] = 1e6
    done = night(frame, reading(contract=promise(SMALL | SERIES)), store)
    assert done.health.set_aside == ("pear",)
    assert (done.health.read, done.health.used, done.health.quarantined) == (93, 60, 33)
    assert done.health.series == 2
    assert done.findings == (
        "rule 'sold is small', column 'sold': sold is small; 2 rows at fault, series 'pear', rows 40, 41; "
        "the first: ds 2024-03-01 07:00:00+00:00, y 1000000.0; not forecast tonight",
    )
    assert set(store.get(done.clean)["unique_id"]) == {"apple", "plum"}
    assert done.quarantine is not None
    rejected = store.get(done.quarantine)
    assert rejected["row"].tolist() == list(range(33, 66))
    assert set(rejected["rule"]) == {"sold is small"}
    assert rejected["reason"].value_counts().to_dict() == {
        "sold: another row of the series is at fault: sold is small": 31,
        "sold: sold is small": 2,
    }
    assert "1 series excluded" in done.sentence


def test_night_stops_with_every_reason_if_no_series_is_left(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[[0, 40, 70], "sold"] = 1e6
    with pytest.raises(ContractBroken) as broken:
        night(frame, reading(contract=promise(SMALL | SERIES)), store)
    assert broken.value.exit_code == 3
    assert [finding[:20] for finding in broken.value.findings] == ["rule 'sold is small'", "no series is left to"]
    assert len(pd.read_parquet(Path(store.root) / str(broken.value.quarantine))) == 99


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("sold", "many", "y is a number"),
        ("hour", "2024-03-01 07:20:00+00:00", "ds is on the grid"),
        ("hour", "2024-03-01 06:00:00+00:00", "one row a series and time"),
        ("hour", "someday", "ds is a time"),
        ("visits", "2.5", "visits is whole"),
    ],
)
def test_row_faults_series_excludes_the_series_of_a_bad_row(
    *, reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract, column: str, value: str, rule: str
) -> None:
    frame = three(sales).astype({column: object})
    frame.loc[40, column] = value
    frame[column] = frame[column].map(lambda value: None if pd.isna(value) else str(value))
    done = night(frame, reading(contract=promise(row_faults="series")), store)
    assert done.health.set_aside == ("pear",)
    assert (done.health.read, done.health.used, done.health.quarantined) == (93, 60, 33)
    assert done.quarantine is not None
    assert set(store.get(done.quarantine)["rule"]) == {rule}


def test_row_without_a_series_name_is_rejected_alone(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[40, "sku"] = None
    done = night(frame, reading(contract=promise(row_faults="series")), store)
    assert (done.health.set_aside, done.health.quarantined) == ((), 1)


def test_error_of_the_table_stops_the_night_despite_one_of_a_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[40, "sold"] = 1e6
    table = SMALL | {"name": "nothing is negative"}
    table["implementation"] = "type: expect_column_values_to_be_between\nkwargs: {column: sold, min_value: 0}"
    dataset = reading(contract=promise(SMALL | SERIES, table))
    assert night(frame, dataset, store).health.set_aside == ("pear",)
    frame.loc[2, "sold"] = -1.0
    with pytest.raises(ContractBroken, match="nothing is negative"):
        night(frame, dataset, store)


def test_rule_of_scope_series_applies_its_bound_to_each_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[frame.index[33:36], "visits"] = None  # a tenth of the pears, a thirtieth of all
    gaps = {"name": "few gaps", "metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"}
    assert night(frame, reading(contract=promise(gaps, at="visits")), store).health.set_aside == ()
    done = night(frame, reading(contract=promise(gaps | SERIES, at="visits")), store)
    assert done.health.set_aside == ("pear",)
    assert "found 3 of 30 rows, promised less than 5 percent" in done.findings[0]


def test_row_in_quarantine_has_what_was_counted_in_its_own_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[[0, 1, 33, 34, 35], "visits"] = None
    gaps = {"name": "few gaps", "metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"} | SERIES
    done = night(frame, reading(contract=promise(gaps, at="visits")), store)
    assert done.quarantine is not None
    assert "few gaps (found 2 of 30 rows, promised less than 5 percent) in series 'apple'; 5 rows" in done.findings[0]
    reasons = store.get(done.quarantine).set_index("row")["reason"]
    assert reasons[1] == "visits: few gaps (found 2 of 30 rows, promised less than 5 percent)"
    assert reasons[34] == "visits: few gaps (found 3 of 30 rows, promised less than 5 percent)"
    assert reasons[50].startswith("visits: another row of the series is at fault: few gaps (found 3 of 30 rows")


def test_cell_of_a_wide_table_has_what_was_counted_in_its_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[[0, 1, 33, 34, 35], "visits"] = None
    gaps = {"name": "few gaps", "metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"} | SERIES
    columns = {"unique_id": "sku", "ds": "hour", "y": ["sold", "returned"]}
    done = night(frame, reading(columns=columns, contract=promise(gaps, at="visits")), store)
    assert done.quarantine is not None
    rejected = store.get(done.quarantine)
    cells = rejected[rejected["row"] == 34].set_index("unique_id")["reason"]
    assert cells.to_dict() == dict.fromkeys(
        ["pear/sold", "pear/returned"], "visits: few gaps (found 3 of 30 rows, promised less than 5 percent)"
    )


def test_mostly_of_great_expectations_applies_to_each_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame.loc[frame.index[33:36], "sold"] = 1e6
    mostly = SMALL | {"implementation": SMALL["implementation"].replace("100}", "100, mostly: 0.96}")}
    assert night(frame, reading(contract=promise(mostly)), store).health.quarantined == 0
    assert night(frame, reading(contract=promise(mostly | SERIES)), store).health.set_aside == ("pear",)


def test_series_with_too_few_rows_is_excluded(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = three(sales)
    frame = frame[~((frame["sku"] == "pear") & (frame["hour"] < pd.Timestamp("2024-03-02", tz="UTC")))]
    enough = {"name": "a day", "metric": "rowCount", "mustBeGreaterOrEqualTo": 24} | SERIES
    done = night(frame, reading(contract=promise(enough, at="table")), store)
    assert done.health.set_aside == ("pear",)
    assert "a day (found 6, promised at least 24); 6 rows at fault, series 'pear'" in done.findings[0]
    reported = night(frame, reading(contract=promise(enough | {"severity": "info"}, at="table")), store)
    assert (reported.health.set_aside, reported.health.quarantined, len(reported.findings)) == ((), 0, 1)


def test_rule_about_a_whole_column_cannot_have_scope_series(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    mean = GX | SERIES | {"name": "mean"}
    mean["implementation"] = "type: expect_column_mean_to_be_between\nkwargs: {column: sold, max_value: 9}"
    with pytest.raises(SpecError, match=r"rule 'mean' is invalid: expect_column_mean.* its scope cannot be series"):
        night(three(sales), reading(contract=promise(mean)), store)


@pytest.mark.parametrize(
    ("custom", "excluded", "findings", "stops"),
    [
        ({}, (), 0, False),  # the newest of the whole table is fresh
        ({"scope": "series"}, ("pear",), 1, False),
        ({"scope": "series", "severity": "warning"}, (), 1, False),
    ],
)
def test_freshness_of_each_series_excludes_stale_series(
    *, reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract,
    custom: dict[str, str], excluded: tuple[str, ...], findings: int, stops: bool,
) -> None:  # fmt: skip
    frame = three(sales)
    gone = (frame["sku"] == "pear") & (frame["hour"] > pd.Timestamp("2024-03-01 12:00", tz="UTC"))
    level = {"property": "latency", "value": 6, "unit": "h"}
    level |= {"customProperties": [{"property": name, "value": value} for name, value in custom.items()]}
    done = night(frame[~gone], reading(contract=promise(slaProperties=[level])), store)
    assert done.health.set_aside == excluded
    assert len(done.findings) == findings


def test_stale_table_with_severity_warning_is_only_reported(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    level = {"property": "freshness", "value": 1, "unit": "d"}
    level |= {"customProperties": [{"property": "severity", "value": "warning"}]}
    done = night(
        sales(start="2024-02-28 22:00", hours=30, ahead=60), reading(contract=promise(slaProperties=[level])), store
    )
    assert done.findings == (
        "rule 'freshness', column 'hour': the newest observation is from 2024-03-01 03:00, older than the promised 1D",
    )


FATES = st.sampled_from([("error", "series"), ("warning", "table"), ("warning", "series"), ("info", "table")])
CHANGES = st.tuples(
    st.integers(0, 98), st.sampled_from(["sku", "hour", "sold", "visits"]), st.sampled_from([None, "1e6", "x", "-3"])
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(CHANGES, min_size=2, max_size=6),
    fates=st.fixed_dictionaries(dict.fromkeys(["small", "once", "gaps", "rows"], FATES)),
    row_faults=st.sampled_from(["series", "warning"]),
)
def test_used_plus_quarantined_is_read_for_any_severity_and_scope(
    *, reading: MakeDataset, sales: MakeSales, promise: MakeContract,
    changes: list[tuple[int, str, str | None]], fates: dict[str, tuple[str, str]], row_faults: str,
) -> None:  # fmt: skip
    frame = three(sales).map(lambda value: None if pd.isna(value) else str(value)).astype(object)
    for row, column, value in changes:
        frame.loc[row, column] = value
    raw = frame.rename(columns={"sku": "unique_id", "hour": "ds", "sold": "y"}).assign(row=np.arange(99))
    rules = [
        SMALL | {"name": "small"},
        {"name": "once", "metric": "duplicateValues", "arguments": {"properties": ["sku", "hour"]}, "mustBe": 0},
        {"name": "gaps", "metric": "nullValues", "mustBeLessThan": 2},
        {"name": "rows", "metric": "rowCount", "mustBeGreaterOrEqualTo": 29},
    ]
    judged = []
    for rule in rules:
        severity, scope = fates[rule["name"]]
        judged.append(rule | {"severity": severity, "customProperties": [{"property": "scope", "value": scope}]})
    dataset = reading(contract=promise(*judged, row_faults=row_faults), features={"known": []})
    done = examine(raw, dataset, AS_OF)
    rejected = set() if done.rejected is None else set(done.rejected["row"])
    if done.health is None:
        assert done.stopping
        return
    health = done.health
    assert health.used + health.quarantined == health.read == 99 - health.known_ahead
    assert len(rejected) == health.quarantined
    kept = raw[~raw["row"].isin(rejected)]
    assert not set(kept["unique_id"]) & set(health.set_aside)
    assert done.clean is not None
    assert not set(done.clean["unique_id"]) & set(health.set_aside)
    used = kept[pd.to_datetime(kept["ds"], utc=True) < pd.Timestamp(AS_OF)]
    assert len(used) == health.used
    assert done.clean["y"].notna().sum() == used["y"].notna().sum()


@pytest.mark.parametrize(("policy", "sold", "quarantined"), [("first", 5.0, 1), ("last", 77.0, 1), ("mean", 41.0, 0)])
def test_warning_about_repeated_hours_leaves_the_duplicate_policy_to_the_pipeline(
    *,
    reading: MakeDataset,
    sales: MakeSales,
    store: Store,
    promise: MakeContract,
    policy: str,
    sold: float,
    quarantined: int,
) -> None:
    frame = sales()
    again = frame.iloc[[5]].assign(sold=77.0)
    once = {"name": "once", "metric": "duplicateValues", "arguments": {"properties": ["sku", "hour"]}, "mustBe": 0}
    dataset = reading(contract=promise(once | {"severity": "warning"}, at="table"), cleaning={"repeated": policy})
    done = night(pd.concat([frame, again], ignore_index=True), dataset, store)
    assert (done.health.read, done.health.quarantined) == (61, quarantined)
    clean = store.get(done.clean)
    assert clean.loc[(clean["unique_id"] == "apple"), "y"].tolist()[5] == sold
    assert any("'once'" in finding for finding in done.findings)
