"""Why a forecast moved is said of two models that share inputs and outputs; else the reason why it is not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.attribution import attribute_revision
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.revision import ForecastNight, RevisionParts

Model = Callable[..., Candidate]


def night(prepared: Any, model: Candidate, cutoff: datetime, y_hat: float) -> ForecastNight:
    """Return a night that has forecast y_hat for series a, three hours ahead."""
    times = pd.date_range(cutoff, periods=4, freq="h", inclusive="right").as_unit("us")
    values = pd.DataFrame({"unique_id": "a", "ds": times, "y_hat": y_hat, "step": [1, 2, 3]})
    table = values.assign(
        as_of=pd.Timestamp(cutoff), cutoff=pd.Timestamp(cutoff), model_name=model.name, model_version=None,
        run_id="7f3c", source="champion", degraded_reason=None,
    )  # fmt: skip
    return ForecastNight(table=prepared.store.put(table, "forecasts"), clean=prepared.clean, cutoff=cutoff, model=model)


@pytest.fixture
def nights(prepared: Any, model: Model) -> Callable[[Candidate], tuple[ForecastNight, ForecastNight]]:
    """Return tonight, and the night an hour before by another model."""

    def built(before: Candidate) -> tuple[ForecastNight, ForecastNight]:
        tonight = night(prepared, model("gru", 0.5), prepared.cutoff, 11.0)
        return tonight, night(prepared, before, prepared.cutoff - timedelta(hours=1), 10.0)

    return built


def test_another_model_of_the_same_setup_is_a_cause(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, nights: Any
) -> None:
    tonight, before = nights(model("old", 0.1))
    parts = attribute_revision.fn(tonight, before, forecast_setup, prepared.store)
    assert (parts.times, parts.size) == (2, 1.0)
    assert parts.model > 0
    assert parts.sentence.startswith("1 on average: new actuals ")


def test_model_of_another_setup_is_named_as_the_reason(
    prepared: Any, forecast_setup: ForecastSetup, model: Model, nights: Any
) -> None:
    other = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=6)
    tonight, before = nights(model("old", 0.1, view=other))
    parts = attribute_revision.fn(tonight, before, forecast_setup, prepared.store)
    assert parts.table is None
    assert parts.sentence == ("not split into causes: old was made for horizon 6, and the spec now asks for 3")


def test_first_night_has_no_revision(prepared: Any, forecast_setup: ForecastSetup, nights: Any, model: Model) -> None:
    tonight, _ = nights(model("old", 0.1))
    assert attribute_revision.fn(tonight, None, forecast_setup, prepared.store) == RevisionParts()
