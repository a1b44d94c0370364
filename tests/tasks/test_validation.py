"""Every row is used or in quarantine with its reason; a violation of severity error stops the night."""

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
from tasks.intake.partition_size import partitions_of
from tasks.modeling import clean_table
from tasks.modeling.clean_table import load_clean_table
from tasks.results.steps import ValidatedTable
from tasks.sources.dataset import DatasetSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)
MakeDataset = Callable[..., DatasetSpec]
MakeSales = Callable[..., pd.DataFrame]
MakeContract = Callable[..., Contract]
RANGE: dict[str, Any] = {
    "name": "sold is small",
    "description": "Between 0 and 100 are sold in an hour.",
    "type": "custom",
    "engine": "greatExpectations",
    "implementation": "type: expect_column_values_to_be_between\nkwargs: {column: sold, min_value: 0, max_value: 100}",
}
ONCE: dict[str, Any] = {
    "name": "one row an hour",
    "type": "library",
    "metric": "duplicateValues",
    "arguments": {"properties": ["sku", "hour"]},
    "mustBe": 0,
}


def night(frame: pd.DataFrame, reading: DatasetSpec, store: Store) -> ValidatedTable:
    """Ingest and validate `frame`, written where `reading` reads it."""
    frame.to_parquet(reading.source.path, index=False)
    return validate.fn(ingest.fn(reading, AS_OF, store), reading, AS_OF, store)


def put(frame: pd.DataFrame, row: int, column: str, value: Any) -> pd.DataFrame:
    """`frame` with one value changed; the column becomes text where the value is."""
    changed = frame.astype({column: object}) if isinstance(value, str | None) else frame.copy()
    changed.loc[row, column] = value
    if isinstance(value, str) or (value is None and changed[column].map(type).eq(str).any()):
        changed[column] = changed[column].map(lambda value: None if pd.isna(value) else str(value))
    return changed


def test_valid_table_is_used_completely(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    done = night(sales(), reading(contract=promise(RANGE)), store)
    health = done.health
    assert (done.findings, done.quarantine) == ((), None)
    assert (health.read, health.used, health.quarantined, health.known_ahead, health.gaps) == (60, 60, 0, 6, 0)
    assert (health.series, health.ended) == (2, ())
    assert done.cutoff == datetime(2024, 3, 2, 5, tzinfo=UTC)
    clean = store.get(done.clean)
    assert clean.columns.tolist() == ["unique_id", "ds", "y", "price", "visits", "town"]
    assert clean.groupby("unique_id").size().tolist() == [33, 33]


@pytest.mark.parametrize("partition_rows", [7, 1_000], ids=["in parts", "whole"])
def test_kept_table_is_the_stored_one(
    reading: MakeDataset,
    sales: MakeSales,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    partition_rows: int,
) -> None:
    frame = put(sales(), 9, "sold", None)
    frame = frame.drop(index=[3, 4]).assign(town=frame["town"].where(frame["sku"] == "apple"), visits=frame["sold"] * 7)
    monkeypatch.setattr(clean_table, "_kept", {})
    with partitions_of(partition_rows):
        done = night(frame, reading(), store)
    kept = load_clean_table(done.clean, store)
    clean_table._kept.clear()
    decoded = load_clean_table(done.clean, store)
    assert kept is not decoded
    assert kept.ids.equals(decoded.ids)
    assert kept.ids.dtype == decoded.ids.dtype
    assert kept.times.equals(decoded.times)
    assert kept.times.dtype == decoded.times.dtype
    assert list(kept.numbers) == list(decoded.numbers)
    for name, values in kept.numbers.items():
        np.testing.assert_array_equal(values, decoded.numbers[name])
    for name in ("first", "lengths"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(decoded, name))
        assert getattr(kept, name).dtype == getattr(decoded, name).dtype
    pd.testing.assert_frame_equal(kept.texts, decoded.texts)


PLANTED = [
    ("text in y", (7, "sold", "many"), r"column 'sold': must be a number.*series 'apple', row 7; ds .*, y 'many'"),
    ("infinity", (7, "sold", np.inf), r"column 'sold': must be finite.*series 'apple', row 7"),
    ("no id", (7, "sku", None), r"column 'sku': a series needs a name.*series nothing, row 7"),
    ("control character", (7, "sku", "ap\x00ple"), r"column 'sku': a series needs a name.*'ap\\x00ple', row 7"),
    ("out of range", (40, "sold", 101.0), r"column 'sold': Between 0 and 100.*1 row.*series 'pear', row 40.*y 101.0"),
    ("off the grid", (7, "hour", pd.Timestamp("2024-03-01 07:20", tz="UTC")), r"column 'hour': lies between.*row 7"),
    ("repeated", (7, "hour", pd.Timestamp("2024-03-01 06:00", tz="UTC")), r"'sku, hour': repeats.*'apple', row 7"),
    ("text in a covariate", (7, "price", "dear"), r"column 'price': must be a number.*row 7"),
    ("half a return", (7, "returned", 0.5), r"column 'returned': must be a whole number.*row 7"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED])
def test_planted_violation_stops_the_night_and_names_column_series_and_row(
    reading: MakeDataset,
    sales: MakeSales,
    store: Store,
    promise: MakeContract,
    change: tuple[int, str, Any],
    message: str,
) -> None:
    with pytest.raises(ContractBroken, match=message) as broken:
        night(put(sales(), *change), reading(contract=promise(RANGE)), store)
    assert broken.value.exit_code == 3
    assert len(broken.value.findings) == 1
    rejected = pd.read_parquet(Path(store.root) / str(broken.value.quarantine))
    assert rejected["row"].tolist() == [change[0]]
    assert (
        rejected["reason"].str.startswith(("sku: ", "hour: ", "sold: ", "price: ", "returned: ", "sku, hour: ")).all()
    )
    assert store.list_files("artifacts/clean") == []


@pytest.mark.parametrize("change", [case[1] for case in PLANTED], ids=[case[0] for case in PLANTED])
def test_severity_warning_rejects_the_row_and_the_night_continues(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract, change: tuple[int, str, Any]
) -> None:
    dataset = reading(contract=promise(RANGE | {"severity": "warning"}, row_faults="warning"))
    done = night(put(sales(), *change), dataset, store)
    assert (done.health.read, done.health.used, done.health.quarantined) == (60, 59, 1)
    assert done.health.gaps == 1
    assert len(done.findings) == 1
    assert done.quarantine is not None
    assert store.get(done.quarantine)["row"].tolist() == [change[0]]


def test_built_in_rules_stop_the_night_without_a_contract(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    with pytest.raises(ContractBroken, match="must be a number"):
        night(put(sales(), 7, "sold", "many"), reading(), store)


def test_quarantine_has_the_source_values_with_rules_and_reasons(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    twice = put(put(sales(), 7, "price", "dear"), 7, "sold", "many")
    done = night(twice, reading(contract=promise(row_faults="warning")), store)
    assert done.quarantine is not None
    (row,) = store.get(done.quarantine).to_dict("records")
    assert (row["unique_id"], row["ds"], row["y"], row["price"]) == (
        "apple", "2024-03-01 07:00:00+00:00", "many", "dear"
    )  # fmt: skip
    assert row["rule"] == "y is a number; price is a number"
    assert row["reason"] == "sold: must be a number or empty; price: must be a number or empty"
    assert done.quarantine.uri.startswith("quarantine/pipeline=shop/")


def test_source_columns_named_like_quarantine_columns_get_a_suffix(
    reading: MakeDataset, sales: MakeSales, store: Store
) -> None:
    frame = put(sales().rename(columns={"visits": "reason", "price": "rule"}), 7, "sold", "many")
    dataset = reading(features={"known": ["rule"], "observed": ["reason"]})
    with pytest.raises(ContractBroken, match="must be a number") as broken:
        night(frame, dataset, store)
    (row,) = pd.read_parquet(Path(store.root) / str(broken.value.quarantine)).to_dict("records")
    assert (row["rule"], row["rule of the source"]) == ("y is a number", "1.5")


def test_repeated_key_is_reported_once_by_the_rule_of_the_contract(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    frame = put(sales(), 7, "hour", pd.Timestamp("2024-03-01 06:00", tz="UTC"))
    with pytest.raises(ContractBroken) as broken:
        night(frame, reading(contract=promise(ONCE, at="table")), store)
    assert [finding.split(",")[0] for finding in broken.value.findings] == ["rule 'one row an hour'"]


@pytest.mark.parametrize(("row_faults", "severity", "stops"), [("error", "warning", False), ("warning", "error", True)])
def test_severity_of_a_uniqueness_rule_overrides_row_faults(
    *,
    reading: MakeDataset,
    sales: MakeSales,
    store: Store,
    promise: MakeContract,
    row_faults: str,
    severity: str,
    stops: bool,
) -> None:
    frame = put(sales(), 7, "hour", pd.Timestamp("2024-03-01 06:00", tz="UTC"))
    dataset = reading(contract=promise(ONCE | {"severity": severity}, at="table", row_faults=row_faults))
    if stops:
        with pytest.raises(ContractBroken, match="one row an hour"):
            night(frame, dataset, store)
    else:
        assert night(frame, dataset, store).health.quarantined == 1


def test_invalid_rule_is_a_spec_error(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract
) -> None:
    rule = RANGE | {
        "implementation": "type: expect_column_values_to_be_between\nkwargs: {column: profit, max_value: 1}"
    }
    with pytest.raises(SpecError, match="'sold is small' is invalid and was not evaluated") as refused:
        night(sales(), reading(contract=promise(rule)), store)
    assert refused.value.exit_code == 2


def test_missing_value_of_a_required_column_stops_the_night(
    reading: MakeDataset, sales: MakeSales, store: Store, tmp_path: Path
) -> None:
    required = {"id": "s", "version": "1", "columns": [{"name": "visits", "kind": "integer", "required": True}]}
    frame = sales()
    frame.loc[[3, 4], "visits"] = None
    with pytest.raises(ContractBroken, match=r"column 'visits': must not be empty; 2 rows at fault.*rows 3, 4"):
        night(frame, reading(contract=required), store)


def test_known_covariate_that_ends_before_the_horizon_stops_the_night(
    reading: MakeDataset, sales: MakeSales, store: Store
) -> None:
    with pytest.raises(ContractBroken, match="column 'price': known covariate has no value for 2 of 6 steps"):
        night(sales(ahead=2), reading(), store)
    with pytest.raises(ContractBroken, match=r"no value for 6 of 6 steps.*first series 'apple' at 2024-03-02 06:00"):
        night(sales(ahead=0), reading(), store)


def test_ended_series_is_reported_and_not_extended(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    frame = sales()
    gone = (frame["sku"] == "pear") & (frame["hour"] >= pd.Timestamp("2024-03-01 20:00", tz="UTC"))
    done = night(frame[~gone], reading(), store)
    assert done.health.ended == ("pear",)
    clean = store.get(done.clean)
    assert clean.loc[clean["unique_id"] == "pear", "ds"].max() == pd.Timestamp(done.cutoff)


def test_new_series_begins_with_its_first_row(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    frame = sales()
    late = (frame["sku"] == "pear") & (frame["hour"] < pd.Timestamp("2024-03-02 04:00", tz="UTC"))
    clean = store.get(night(frame[~late], reading(), store).clean)
    assert clean.groupby("unique_id").size().to_dict() == {"apple": 33, "pear": 5}


def test_row_order_does_not_change_the_clean_table(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    frame = sales()
    shuffled = frame.sample(frac=1, random_state=1, ignore_index=True)
    digests = {night(rows, reading(), store).clean.digest for rows in (frame, shuffled)}
    assert len(digests) == 1


def test_table_without_an_observation_stops_the_night(reading: MakeDataset, sales: MakeSales, store: Store) -> None:
    with pytest.raises(ContractBroken, match="no row has a value of 'sold' before 2024-03-02 06:00"):
        night(sales().assign(sold=np.nan), reading(), store)


@pytest.mark.parametrize(("days", "stops"), [(1, True), (2, False)])
def test_source_older_than_the_promised_freshness_stops_the_night(
    reading: MakeDataset, sales: MakeSales, store: Store, promise: MakeContract, days: int, stops: bool
) -> None:
    dataset = reading(contract=promise(slaProperties=[{"property": "freshness", "value": days, "unit": "d"}]))
    stale = sales(start="2024-02-28 22:00", hours=30, ahead=60)
    if stops:
        with pytest.raises(
            ContractBroken, match="newest observation is from 2024-03-01 03:00, older than the promised 1D"
        ):
            night(stale, dataset, store)
    else:
        assert night(stale, dataset, store).cutoff == datetime(2024, 3, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize("frame", ["one row", "one series", "constant"])
def test_tables_of_one_row_one_series_or_constant_values_are_valid(
    reading: MakeDataset, sales: MakeSales, store: Store, frame: str
) -> None:
    whole = sales()
    table = {
        "one row": whole[(whole["sku"] == "apple") & (whole["hour"] == "2024-03-02 05:00")],
        "one series": whole[whole["sku"] == "apple"],
        "constant": whole.assign(sold=whole["sold"].where(whole["sold"].isna(), 3.0)),
    }[frame]
    done = night(table, reading(features={"observed": ["visits"], "known": []}), store)
    assert done.health.used == int(table["sold"].notna().sum())


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 59),
        st.sampled_from(["sku", "hour", "sold", "price", "visits", "returned"]),
        st.sampled_from(
            ["many", "", None, "inf", "-1", "1e308", "2024-03-01 05:00:00+00:00", "\x00", "2024-03-01 05:20"]
        ),
    ),
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=MUTATIONS, shuffle=st.integers(0, 99))
def test_used_plus_quarantined_is_read_for_any_table(
    reading: MakeDataset,
    sales: MakeSales,
    store: Store,
    promise: MakeContract,
    mutations: list[tuple[int, str, Any]],
    shuffle: int,
) -> None:
    frame = sales().map(lambda value: None if pd.isna(value) else str(value)).astype(object)
    for row, column, value in mutations:
        frame.loc[row if row < 30 else row + 3, column] = value
    frame = frame.sample(frac=1, random_state=shuffle, ignore_index=True)
    path = Path(store.root).parent / "any.csv"
    frame.to_csv(path, index=False)
    dataset = reading(
        source={"kind": "csv", "path": str(path)},
        features={"known": [], "observed": ["visits", "price"]},
        contract=promise(RANGE | {"severity": "warning"}, row_faults="warning"),
    )
    done = validate.fn(ingest.fn(dataset, AS_OF, store), dataset, AS_OF, store)
    health = done.health
    rejected = store.get(done.quarantine)["row"].tolist() if done.quarantine else []
    assert health.used + health.quarantined == health.read
    assert len(rejected) == len(set(rejected)) == health.quarantined
    source = pd.read_csv(path, dtype=str, keep_default_na=False)
    kept = source.drop(index=rejected)
    kept = kept[(kept["sold"] != "") & (pd.to_datetime(kept["hour"], utc=True) < AS_OF)]
    clean = store.get(done.clean).dropna(subset=["y"])
    clean_rows = sorted(zip(clean["unique_id"], clean["ds"], clean["y"], strict=True))
    source_rows = sorted(zip(kept["sku"], pd.to_datetime(kept["hour"], utc=True), kept["sold"].map(float), strict=True))
    assert clean_rows == source_rows  # outside the quarantine no observation is lost, and none is invented
