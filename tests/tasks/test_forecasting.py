"""Who forecasts tonight: the best there is, one rung at a time, and every row says which and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.artifact import Artifact
from data_contracts.errors import NoChampion, StoreDamaged
from tasks.engine.failure import StepFailure
from tasks.evaluation import evaluate
from tasks.forecasting import fallback_order, forecast
from tasks.modeling.candidate import Candidate
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.results.run import forecast_options
from tasks.results.steps import EvaluationResult, ForecastOptions, ForecastResult, RegistrationResult, RunContext

Model = Callable[..., Candidate]
NightOf = Callable[..., RunContext]
NAN = float("nan")
CLAIM = Artifact(contract="scores@1.0.0", uri="artifacts/scores/x", digest="0" * 64, rows=1)


def told(*candidates: Candidate) -> EvaluationResult:
    return EvaluationResult(backtest=CLAIM, scores=CLAIM, candidates=candidates)


def scores(*pairs: tuple[Candidate, float]) -> pd.DataFrame:
    return pd.DataFrame({"bundle": [one.bundle.digest for one, _ in pairs], "mase": [loss for _, loss in pairs]})


def rungs(stand: ForecastOptions, table: pd.DataFrame) -> list[tuple[str, str | None]]:
    return [(rung.candidate.name, rung.degraded_reason) for rung in fallback_order(stand, table, "mase")]


def test_the_champion_comes_first_then_former_ones_then_baselines_by_their_loss(model: Model) -> None:
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    naive, linear = model("naive", 0.3, "baseline"), model("linear", 0.4, "baseline")
    stand = ForecastOptions(champion=champion, formers=(former,), evaluated=told(champion, naive, linear))
    table = scores((champion, 0.5), (naive, 0.9), (linear, 0.7))
    why = "the champion can't forecast"
    assert rungs(stand, table) == [("gru", None), ("lstm", why), ("linear", why), ("naive", why)]


def test_a_baseline_that_beats_the_champion_tonight_goes_before_it_and_says_why(model: Model) -> None:
    champion, naive = model("gru", 0.1, "champion", "2"), model("naive", 0.3, "baseline")
    stand = ForecastOptions(champion=champion, evaluated=told(champion, naive))
    assert rungs(stand, scores((champion, 0.9), (naive, 0.5)))[:2] == [
        ("naive", "naive has the lower mase tonight: 0.5 against 0.9 of gru v2"),
        ("gru", None),
    ]
    assert rungs(stand, scores((champion, 0.5), (naive, 0.5)))[0] == ("gru", None)


@pytest.mark.parametrize(("ours", "theirs", "first"), [(NAN, 0.5, "naive"), (NAN, NAN, "gru"), (0.5, NAN, "gru")])
def test_a_loss_that_is_no_number_beats_nobody(model: Model, ours: float, theirs: float, first: str) -> None:
    champion, naive = model("gru", 0.1, "champion", "2"), model("naive", 0.3, "baseline")
    stand = ForecastOptions(champion=champion, evaluated=told(champion, naive))
    assert rungs(stand, scores((champion, ours), (naive, theirs)))[0][0] == first


def test_without_a_champion_the_best_baseline_forecasts_and_says_so(model: Model) -> None:
    naive, linear = model("naive", 0.3, "baseline"), model("linear", 0.4, "baseline")
    table = scores((naive, 0.9), (linear, 0.7))
    why = "no model has beaten every baseline yet"
    found = rungs(ForecastOptions(champion=None, evaluated=told(naive, linear)), table)
    assert found == [("linear", why), ("naive", why)]


def test_where_the_gate_failed_the_champion_of_the_night_before_stays(model: Model) -> None:
    old, new = model("gru", 0.1, "champion", "1"), model("lstm", 0.1, "champion", "2")
    moved = RegistrationResult(champion=new, moved=True, reason="better", decision=CLAIM)
    assert forecast_options(moved, old, ()).champion == new
    assert forecast_options(StepFailure(step="register", reason="MLflow is down"), old, ()).champion == old
    assert forecast_options(None, old, (), StepFailure(step="evaluate", reason="?")).evaluated is None


def forecasted(evening: Any, question: ForecastSetup, night: RunContext, **stand: Any) -> ForecastResult:
    return forecast.fn(evening.clean, evening.windows, ForecastOptions(**stand), night, question, evening.store)


def test_the_champions_forecast_is_whole_and_says_where_it_comes_from(
    evening: Any, question: ForecastSetup, model: Model, night_of: NightOf
) -> None:
    done = forecasted(evening, question, night_of("2024-03-11"), champion=model("gru", 0.1, "champion", "2"))
    table = pd.read_parquet(Path(evening.store.root) / done.published.uri)
    assert len(table) == 2 * 3
    assert set(table["source"]) == {"champion"}
    assert set(table["model_name"] + " v" + table["model_version"]) == {"gru v2"}
    assert set(table["run_id"]) == {"run-2024-03-11"}
    assert table["degraded_reason"].isna().all()
    assert (np.diff(table[["q10", "q50", "q90"]], axis=1) >= 0).all()
    assert (done.series, done.left_out, done.sentence) == (2, (), "6 rows by gru v2")


def test_a_damaged_champion_is_replaced_by_a_former_one_and_the_row_says_so(
    evening: Any, question: ForecastSetup, model: Model, night_of: NightOf
) -> None:
    champion, former = model("gru", 0.1, "champion", "2"), model("lstm", 0.2, "champion", "1")
    (Path(evening.store.root) / champion.bundle.uri).write_bytes(b"rot")
    done = forecasted(evening, question, night_of("2024-03-11"), champion=champion, formers=(former,))
    table = evening.store.get(done.table)
    assert set(table["model_name"]) == {"lstm"}
    (reason,) = set(table["degraded_reason"])
    assert reason.startswith(f"the champion can't forecast; {champion.bundle.uri} in the store has digest")


def test_a_champion_that_forecasts_nothing_finite_is_passed_over(
    evening: Any, question: ForecastSetup, model: Model, night_of: NightOf
) -> None:
    champion, former = model("gru", float("nan"), "champion", "2"), model("lstm", float("inf"), "champion", "1")
    naive = model("naive", 0.0, "baseline")
    done = forecasted(evening, question, night_of("2024-03-11"), champion=champion, formers=(former, naive))
    assert "gru v2 gave a forecast that is not finite" in str(done.rung.degraded_reason)
    assert done.rung.candidate.name == "naive"


def test_where_nobody_can_forecast_the_first_error_is_the_one_that_is_told(
    evening: Any, question: ForecastSetup, model: Model, night_of: NightOf
) -> None:
    champion = model("gru", 0.1, "champion", "2")
    (Path(evening.store.root) / champion.bundle.uri).unlink()
    with pytest.raises(StoreDamaged, match="is missing"):
        forecasted(evening, question, night_of("2024-03-11"), champion=champion)
    with pytest.raises(NoChampion, match="no night has crowned one yet"):
        forecasted(evening, question, night_of("2024-03-11"), champion=None)
    assert evening.store.list_files("forecasts") == []


def test_a_whole_evening_of_baselines_alone_still_publishes(
    evening: Any, question: ForecastSetup, night_of: NightOf
) -> None:
    judged = evaluate.fn(evening.clean, evening.windows, (), question, evening.store)
    done = forecasted(evening, question, night_of("2024-03-11"), champion=None, evaluated=judged)
    assert done.rung.candidate.role == "baseline"
    assert done.rung.degraded_reason == "no model has beaten every baseline yet"


def test_the_same_night_publishes_the_same_bytes(
    evening: Any, question: ForecastSetup, model: Model, night_of: NightOf
) -> None:
    champion = model("gru", 0.1, "champion", "2")
    twice = [forecasted(evening, question, night_of("2024-03-11"), champion=champion) for _ in range(2)]
    assert twice[0] == twice[1]
