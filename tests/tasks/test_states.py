"""States of the champion are kept; one that was made for another setup has none, with the reason."""

from collections.abc import Callable
from typing import Any

from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.steps import StatesResult
from tasks.states import keep_states

Model = Callable[..., Candidate]


def kept(prepared: Any, setup: ForecastSetup, champion: Candidate | None) -> StatesResult:
    return keep_states.fn(prepared.clean, prepared.cutoff, champion, setup, prepared.store)


def test_states_of_all_series_are_kept(prepared: Any, forecast_setup: ForecastSetup, model: Model) -> None:
    champion = model("gru", 0.1, "champion", "4")
    states = kept(prepared, forecast_setup, champion)
    assert (states.model, states.series, states.sentence) == (champion.bundle.digest, 2, "")
    assert states.states is not None


def test_champion_of_another_setup_has_no_states_and_the_reason(
    prepared: Any, forecast_setup: ForecastSetup, model: Model
) -> None:
    other = InputSpec(features=FeatureSpec(known=()), freq="h", zone="UTC", lookback=24, horizon=6)
    states = kept(prepared, forecast_setup, model("old", 0.1, "champion", "4", view=other))
    assert (states.states, states.series) == (None, 0)
    assert states.sentence == "none kept: old v4 was made for horizon 6, and the spec now asks for 3"


def test_no_champion_has_no_states(prepared: Any, forecast_setup: ForecastSetup) -> None:
    assert kept(prepared, forecast_setup, None) == StatesResult()
