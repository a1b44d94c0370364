"""Rows of one series and time, and steps without a row: each policy by its literal answer."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from data_contracts.errors import ContractBroken
from models.data.features import FeatureSpec
from tasks.ingestion import ingest
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.dataset import ColumnsSpec, DatasetSpec
from tasks.sources.spec import SourceSpec
from tasks.validation import validate

AS_OF = datetime(2024, 3, 6, tzinfo=UTC)
DAYS = pd.to_datetime(["2024-03-01", "2024-03-02", "2024-03-02", "2024-03-04", "2024-03-05"])


def night(tmp_path, store, sold=(1.0, 2.0, 6.0, 4.0, 5.0), **cleaning):
    """A shop whose second day stands twice and whose third has no row."""
    table = pd.DataFrame({"day": DAYS, "sold": list(sold), "temp": [10.0, 20.0, 30.0, None, 50.0]})
    table.to_parquet(tmp_path / "shop.parquet", index=False)
    reading = DatasetSpec(
        pipeline="shop",
        source=SourceSpec(kind="parquet", path=str(tmp_path / "shop.parquet")),
        columns=ColumnsSpec(ds="day", y="sold"),
        features=FeatureSpec(known=(), observed=("temp",)),
        freq="D",
        zone="UTC",
        horizon=1,
        cleaning=CleaningSpec(**cleaning),
    )
    told = validate.fn(ingest.fn(reading, AS_OF, store), reading, AS_OF, store)
    return told, store.get(told.clean)["y"].tolist(), told.health


def test_a_repeated_day_stops_the_night_where_no_policy_allows_for_it(tmp_path, store) -> None:
    with pytest.raises(ContractBroken, match="repeats the key of an earlier row"):
        night(tmp_path, store)


@pytest.mark.parametrize(
    ("policy", "second", "used", "quarantined"),
    [("first", 2.0, 4, 1), ("last", 6.0, 4, 1), ("mean", 4.0, 5, 0), ("sum", 8.0, 5, 0)],
)
def test_a_policy_says_what_a_repeated_day_is_worth(tmp_path, store, policy, second, used, quarantined) -> None:
    told, y, health = night(tmp_path, store, repeated=policy)
    assert y[:2] == [1.0, second]
    assert (health.read, health.used, health.quarantined) == (5, used, quarantined)
    assert bool(told.quarantine) == bool(quarantined)


@pytest.mark.parametrize("policy", ["mean", "sum"])
def test_repeated_days_without_a_value_stay_a_gap(tmp_path, store, policy) -> None:
    _, y, _ = night(tmp_path, store, sold=(1.0, None, None, 4.0, 5.0), repeated=policy)
    assert pd.isna(y[1])


def test_a_covariate_of_repeated_days_is_their_mean_even_where_the_target_is_a_sum(tmp_path, store) -> None:
    told, _, _ = night(tmp_path, store, repeated="sum")
    assert store.get(told.clean)["temp"].tolist()[:2] == [10.0, 25.0]


def test_zero_says_that_a_day_without_a_row_had_none(tmp_path, store) -> None:
    _, y, health = night(tmp_path, store, repeated="first", fill={"y": "zero"})
    assert y == [1.0, 2.0, 0.0, 4.0, 5.0]
    assert health.gaps == 0


@pytest.mark.parametrize("policy", ["none", "forward", "interpolate", "season"])
def test_every_other_fill_leaves_the_clean_table_as_it_was_observed(tmp_path, store, policy) -> None:
    _, y, health = night(tmp_path, store, repeated="first", fill={"y": policy})
    assert pd.isna(y[2])
    assert health.gaps == 1
