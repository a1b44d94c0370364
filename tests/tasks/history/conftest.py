"""Three published nights of a shop in a temporary store: the second has other quantile levels, the third is alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tasks.storage import vintages
from tasks.storage.layout import vintage_uri
from tasks.storage.snapshots import Snapshot, record_snapshot
from tasks.storage.store import Store

HORIZON = 3
LEVELS = {8: ("q10", "q50", "q90"), 9: ("q05", "q50", "q95"), 10: ("q05", "q50", "q95")}


def night(day: int) -> datetime:
    return datetime(2024, 3, day, tzinfo=UTC)


def forecasts_of(day: int, names: str = "ab") -> pd.DataFrame:
    """Daily forecasts of the night of that day of March for the day itself and two more: y_hat is the day of ds."""
    parts = []
    for name in names:
        ds = pd.date_range(night(day), periods=HORIZON, freq="D").as_unit("us")
        part = pd.DataFrame(
            {"unique_id": name, "ds": ds, "as_of": night(day), "cutoff": night(day) - timedelta(days=1)}
        )
        part["step"] = np.arange(1, HORIZON + 1, dtype=np.int16)
        part["y_hat"] = ds.day.astype(float)
        for number, level in enumerate(LEVELS[day]):
            part[level] = part["y_hat"] + number - 1
        parts.append(part)
    texts = {"model_name": "gru", "model_version": "1", "run_id": f"run-{day}", "source": "champion"}
    return pd.concat(parts, ignore_index=True).assign(**texts, degraded_reason=pd.Series(dtype="str"))


def history_of(day: int) -> pd.DataFrame:
    """Clean history up to the day before the night, and the plan of a price for the horizon."""
    ds = pd.date_range(night(1), night(day) + timedelta(days=HORIZON - 1), freq="D").as_unit("us")
    known = ds < night(day)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": ds, "y": np.where(known, ds.day, np.nan), "price": 2.0}) for name in "ab"
    ]
    return pd.concat(parts, ignore_index=True)


def publish_actuals(day: int, rows: list[tuple[str, int, float]], store: Store) -> None:
    """Publish values as (series, day of March, y) as the night of `day`."""
    table = pd.DataFrame(rows, columns=["unique_id", "ds", "y"]).assign(as_of=night(day))
    table["ds"] = pd.to_datetime([night(number) for number in table["ds"]]).as_unit("us")
    store.publish(
        store.put(table[["unique_id", "ds", "as_of", "y"]], "actuals"), vintage_uri("actuals", "shop", night(day))
    )


def publish_accuracy(day: int, rows: list[tuple[int, str, float]], store: Store) -> None:
    """Publish scores as (day of the forecast, series, mae) as the night of `day`."""
    table = pd.DataFrame(rows, columns=["forecast_vintage", "unique_id", "mae"]).assign(as_of=night(day))
    table["forecast_vintage"] = pd.to_datetime([night(number) for number in table["forecast_vintage"]]).as_unit("us")
    table = table.assign(model_name="gru", source="champion", rows=1, mase=1.0, wql=0.1, coverage=1.0)
    store.publish(store.put(table, "accuracy"), vintage_uri("accuracy", "shop", night(day)))


def publish_forecasts(day: int, store: Store, names: str = "ab") -> None:
    clean = store.put(history_of(day), "clean")
    vintages.publish_latest_history(clean, "shop", night(day), store)
    vintages.publish(store.put(forecasts_of(day, names), "forecasts"), "shop", night(day), store)
    cutoff = night(day) - timedelta(days=1)
    record_snapshot(Snapshot(as_of=night(day), reading="r", raw=clean, clean=clean, cutoff=cutoff), "shop", store)


@pytest.fixture
def shop(store: Store) -> Store:
    """The nights of 8, 9 and 10 March; the value of a on 8 March is corrected on the tenth."""
    publish_forecasts(8, store)
    publish_forecasts(9, store)
    publish_actuals(9, [("a", 8, 1.0), ("b", 8, 2.0)], store)
    publish_accuracy(9, [(8, "a", 7.0), (8, "b", 6.0)], store)
    publish_forecasts(10, store, names="abc")
    publish_actuals(10, [("a", 8, 1.5), ("a", 9, 9.0), ("b", 9, 9.5)], store)
    publish_accuracy(10, [(8, "a", 6.5), (9, "a", 0.0), (9, "b", 0.5)], store)
    return store


@pytest.fixture
def reader(shop: Store) -> Callable[..., object]:
    """reader(as_of): what was published for nights up to that day of March; all without a day."""
    from tasks.history.reader import PublishedReader

    def build(day: int | None = None) -> PublishedReader:
        return PublishedReader(pipeline="shop", store=shop, as_of=night(day) if day else None)

    return build
