"""Gains outlive the test part: decision records keep them, and later nights against the same champion read them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.modeling.candidate import Candidate
from tasks.promotion.evidence import RecordedGains, earlier_gains, join_gains, list_recorded_gains, relative_gains
from tasks.registry import champions
from tasks.storage.store import Store
from tests.tasks.promotion.candidates import candidate

OLD = candidate("old", "champion", "3")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def day(number: int) -> datetime:
    return datetime(2024, 3, number, tzinfo=UTC)


def decide(store: Store, number: int, gains: RecordedGains | None, **other: Any) -> None:
    record = {"pipeline": "shop", "as_of": day(number).isoformat(), "champion": OLD.model_dump(mode="json")} | other
    record["gains"] = gains.model_dump(mode="json") if gains else None
    stored = store.put_bytes(json.dumps(record).encode(), "decision", "json")
    champions.record_decision("shop", day(number), stored, store)


def night(first: int, *gains: float, metric: str = "mase", champion: str = OLD.bundle.digest) -> RecordedGains:
    origins = {f"2024-02-{first + number:02d}T00:00:00Z": gain for number, gain in enumerate(gains)}
    return RecordedGains(metric=metric, champion=champion, gains={"new": origins})


def read(store: Store, number: int, metric: str = "mase", champion: Candidate | None = OLD) -> dict[str, list[float]]:
    gains = earlier_gains(list_recorded_gains("shop", day(number), champion, metric, store))
    return {name: values.tolist() for name, values in gains.items()}


def test_gains_are_shares_of_the_mean_loss_of_the_champion() -> None:
    dates = pd.date_range("2024-02-01", periods=2, freq="D", tz="UTC")
    losses = pd.DataFrame({"new": [1.0, 2.0], "odd": [1.0, np.nan], "old v3": [2.0, 6.0]}, index=dates)
    recorded = RecordedGains.of_night(losses, "mase", OLD, [candidate("new"), candidate("odd"), candidate("other")])
    assert recorded.gains == {"new": {"2024-02-01T00:00:00Z": 0.25, "2024-02-02T00:00:00Z": 1.0}}
    assert recorded.champion == OLD.bundle.digest
    assert relative_gains(pd.Series([0.0]), pd.Series([0.0])).isna().all()


def test_newest_record_of_an_origin_counts(store: Store) -> None:
    decide(store, 1, night(1, 0.1, 0.2, 0.3))
    decide(store, 2, night(2, 0.25, 0.35, 0.4))
    assert read(store, 3) == {"new": [0.1, 0.25, 0.35, 0.4]}
    assert read(store, 2) == {"new": [0.1, 0.2, 0.3]}  # a night that is run again reads only what was before it
    assert read(store, 1) == {}


@pytest.mark.parametrize(
    "other", [night(1, 9.0, champion="f" * 64), night(1, 9.0, metric="wql"), None], ids=["champion", "metric", "none"]
)
def test_records_before_another_champion_metric_or_release_do_not_count(
    store: Store, other: RecordedGains | None
) -> None:
    decide(store, 1, night(1, 0.1))
    decide(store, 2, other)
    decide(store, 3, night(3, 0.3))
    assert read(store, 4) == {"new": [0.3]}


def test_no_champion_has_no_evidence(store: Store) -> None:
    decide(store, 1, night(1, 0.1))
    assert read(store, 2, champion=None) == {}


def test_joined_gains_are_those_before_tonight_and_tonight() -> None:
    tonight = pd.Series([0.3, 0.4], pd.date_range("2024-02-03", periods=2, freq="D", tz="UTC"))
    earlier = pd.Series([0.1, 0.2, 9.0], pd.date_range("2024-02-01", periods=3, freq="D", tz="UTC"))
    assert join_gains(earlier, tonight).tolist() == [0.1, 0.2, 0.3, 0.4]
    assert join_gains(None, tonight).tolist() == [0.3, 0.4]
    long = pd.Series(np.zeros(300), pd.date_range("2023-01-01", periods=300, freq="D", tz="UTC"))
    assert len(join_gains(long, tonight)) == 112
