"""Policies for duplicate rows and for steps without a row, with literal answers."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from data_contracts.errors import ContractBroken
from models.data.features import FeatureSpec
from tasks.ingestion import ingest
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.spec import SourceSpec
from tasks.validation import validate

AS_OF = datetime(2024, 3, 6, tzinfo=UTC)
DAYS = pd.to_datetime(["2024-03-01", "2024-03-02", "2024-03-02", "2024-03-04", "2024-03-05"])


def night(tmp_path, store, sold=(1.0, 2.0, 6.0, 4.0, 5.0), **cleaning):
    """Run a shop whose second day is a duplicate and whose third has no row: (result, y, row counts)."""
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
    validated = validate.fn(ingest.fn(reading, AS_OF, store), reading, AS_OF, store)
    return validated, store.get(validated.clean)["y"].tolist(), validated.health


def test_duplicate_day_stops_the_run_without_a_policy(tmp_path, store) -> None:
    with pytest.raises(ContractBroken, match="repeats the key of an earlier row"):
        night(tmp_path, store)


@pytest.mark.parametrize(
    ("policy", "second", "used", "quarantined"),
    [("first", 2.0, 4, 1), ("last", 6.0, 4, 1), ("mean", 4.0, 5, 0), ("sum", 8.0, 5, 0)],
)
def test_policy_decides_the_value_of_a_duplicate_day(tmp_path, store, policy, second, used, quarantined) -> None:
    validated, y, health = night(tmp_path, store, repeated=policy)
    assert y[:2] == [1.0, second]
    assert (health.read, health.used, health.quarantined) == (5, used, quarantined)
    assert bool(validated.quarantine) == bool(quarantined)


@pytest.mark.parametrize("policy", ["mean", "sum"])
def test_duplicate_days_without_a_value_stay_a_gap(tmp_path, store, policy) -> None:
    _, y, _ = night(tmp_path, store, sold=(1.0, None, None, 4.0, 5.0), repeated=policy)
    assert pd.isna(y[1])


def test_covariate_of_duplicate_days_is_averaged_even_if_y_is_summed(tmp_path, store) -> None:
    validated, _, _ = night(tmp_path, store, repeated="sum")
    assert store.get(validated.clean)["temp"].tolist()[:2] == [10.0, 25.0]


def test_zero_fill_makes_a_missing_day_an_observation_of_zero(tmp_path, store) -> None:
    _, y, health = night(tmp_path, store, repeated="first", fill={"y": "zero"})
    assert y == [1.0, 2.0, 0.0, 4.0, 5.0]
    assert health.gaps == 0


@pytest.mark.parametrize("policy", ["none", "forward", "interpolate", "season"])
def test_other_fills_leave_the_gap_in_the_clean_table(tmp_path, store, policy) -> None:
    _, y, health = night(tmp_path, store, repeated="first", fill={"y": policy})
    assert pd.isna(y[2])
    assert health.gaps == 1
