"""The verdict of a run and its three lines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from models.data.features import FeatureSpec
from models.data.panel import InputSpec
from tasks.engine.failure import StepFailure
from tasks.modeling.candidate import Candidate
from tasks.modeling.series import SeriesFallback, SeriesWithoutForecast
from tasks.report.verdict import list_warnings, verdict
from tasks.results.run import RunResults
from tasks.results.steps import (
    EvaluationResult,
    Fallback,
    ForecastResult,
    RegistrationResult,
    RowCounts,
    RunContext,
    ValidatedTable,
)

AS_OF = datetime(2024, 2, 8, tzinfo=UTC)
CUTOFF = datetime(2024, 2, 7, 23, tzinfo=UTC)


def artifact(rows: int = 48) -> Artifact:
    return Artifact(contract="clean", uri="artifacts/clean/1.parquet", digest="1" * 64, rows=rows)


def run_results(counts: dict[str, Any] | None = None, **changes: Any) -> RunResults:
    health = {"read": 10, "used": 10, "quarantined": 0, "known_ahead": 0, "gaps": 0, "series": 2} | (counts or {})
    champion = Candidate(name="gru-8", role="champion", bundle=artifact(), version="3")
    results = {
        "night": RunContext(pipeline="ports", run_id="7f3c", as_of=AS_OF),
        "raw": artifact(),
        "validated": ValidatedTable(
            clean=artifact(), cutoff=CUTOFF, quarantine=None, findings=(), health=RowCounts(**health)
        ),
        "registered": RegistrationResult(champion=champion, moved=False, reason="gru-8 stays", decision=artifact()),
        "forecasted": ForecastResult(
            table=artifact(), published=artifact(), rung=Fallback(candidate=champion), last=AS_OF, series=2
        ),
    }
    return RunResults(**results | changes)


def test_good_night_says_what_was_published_and_by_which_model() -> None:
    assert verdict(run_results()) == (
        "good",
        ("48 forecasts for 2 series, by champion gru-8 v3.", "No promotion: gru-8 stays.", "Nothing to worry about."),
    )


def test_champion_far_behind_a_baseline_is_something_to_look_at() -> None:
    champion = Candidate(name="gru-8", role="champion", bundle=artifact(), version="3")
    excess = "the MASE of gru-8 v3, 1.52, is far above that of naive, 0"
    registered = RegistrationResult(
        champion=champion, moved=False, reason="gru-8 stays", decision=artifact(), excess=excess
    )
    assert verdict(run_results(registered=registered))[1][-1] == f"Look at: {excess}."


def test_baseline_that_replaces_the_champion_is_named_with_the_reason() -> None:
    baseline = Candidate(name="seasonal_naive", role="baseline", bundle=artifact())
    fallback = Fallback(candidate=baseline, degraded_reason="the champion can't forecast")
    forecasted = ForecastResult(table=artifact(), published=artifact(), rung=fallback, last=AS_OF, series=2)
    state, lines = verdict(run_results(forecasted=forecasted))
    assert state == "watch"
    assert lines[0] == "48 forecasts for 2 series, by baseline seasonal_naive as a fallback."
    assert lines[2] == "Look at: the champion did not forecast: the champion can't forecast."


def test_first_night_without_a_champion_does_not_blame_one() -> None:
    baseline = Candidate(name="linear", role="baseline", bundle=artifact())
    rung = Fallback(candidate=baseline, degraded_reason="no model has beaten every baseline yet")
    served = ForecastResult(table=artifact(), published=artifact(), rung=rung, last=AS_OF, series=2)
    none = RegistrationResult(champion=None, moved=False, reason="gru-8 does not beat linear", decision=artifact())
    results = run_results(forecasted=served, registered=none, incumbent=None)
    assert list_warnings(results) == ("the pipeline has no champion: no model has beaten every baseline yet",)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"counts": {"quarantined": 1200}}, "1,200 rows are in quarantine"),
        ({"counts": {"quarantined": 1}}, "1 row is in quarantine"),
        ({"counts": {"set_aside": ("b", "a")}}, "2 series broke a rule and were excluded from the forecast: a, b"),
        (
            {"counts": {"ended": tuple("fedcba")}},
            "6 series ended or lack future covariates and were not forecast: a, b, c, d, e …",
        ),
        (
            {"rewritten": (Change(where="columns.y", what="maximum lowered", effect="breaking"),)},
            "the contract changed since the last night: 1 breaking change",
        ),
        ({"drifted": StepFailure(step="watch_drift", reason="KeyError: y")}, "watch_drift failed: KeyError: y"),
    ],
)
def test_each_problem_is_a_warning_in_the_last_line(changes: dict[str, Any], warning: str) -> None:
    state, lines = verdict(run_results(**changes))
    assert state == "watch"
    assert lines[2] == f"Look at: {warning}."


def test_forecast_of_the_past_means_that_the_source_is_stale() -> None:
    current = run_results().forecasted
    assert current is not None
    stale = current.model_copy(update={"last": CUTOFF})
    assert (
        "the source is stale: its newest observation is from 2024-02-07 23:00 UTC"
        in verdict(run_results(forecasted=stale))[1][2]
    )


def test_run_without_forecast_or_evaluation_says_so() -> None:
    _, lines = verdict(run_results(forecasted=None, registered=None))
    assert lines[0] == "This run makes no forecast; data are known up to 2024-02-07 23:00 UTC."
    assert lines[1] == "No model was evaluated in this run."


@pytest.mark.parametrize(
    ("freq", "horizon", "days", "age"),
    [
        ("h", 24, 1, ""),
        ("h", 24, 2, "47 h 00 min"),
        ("D", 14, 14, ""),
        ("D", 14, 40, "39 d 00 h"),
        ("MS", 12, 200, ""),
        ("MS", 12, 500, "471 d 00 h"),
    ],
)
def test_run_without_forecast_names_data_that_are_older_than_a_forecast_reaches(
    freq: str, horizon: int, days: int, age: str
) -> None:
    view = InputSpec(features=FeatureSpec(known=()), freq=freq, zone="UTC", lookback=24, horizon=horizon)
    night = RunContext(pipeline="ports", run_id="7f3c", as_of=CUTOFF + timedelta(days=days))
    state, lines = verdict(run_results(forecasted=None, night=night), view)
    assert state == ("watch" if age else "good")
    assert lines[2] == (
        f"Look at: the data are old: the newest observation is from 2024-02-07 23:00 UTC and ended {age} before the "
        "as-of, longer ago than a forecast reaches."
        if age
        else "Nothing to worry about."
    )


def test_failed_registration_does_not_hide_that_models_were_evaluated() -> None:
    candidates = tuple(Candidate(name=name, role="challenger", bundle=artifact()) for name in ("gru-8", "lstm-8"))
    evaluated = EvaluationResult(backtest=artifact(), scores=artifact(), candidates=candidates)
    failed = StepFailure(step="register", reason="the file store is refused")
    state, lines = verdict(run_results(evaluated=evaluated, registered=failed))
    assert state == "watch"
    assert lines[1] == "2 models were evaluated and no promotion was decided, because step register failed."
    assert lines[2] == "Look at: register failed: the file store is refused."


def test_series_of_a_fallback_are_named_with_the_reason() -> None:
    champion = Candidate(name="gru-8", role="champion", bundle=artifact(), version="3")
    naive = Candidate(name="naive", role="baseline", bundle=artifact())
    fallback = SeriesFallback(candidate=naive, reason="y is 1e+300", series=("b", "a"))
    forecasted = ForecastResult(
        table=artifact(), published=artifact(), rung=Fallback(candidate=champion), last=AS_OF, series=2,
        fallbacks=(fallback,),
    )  # fmt: skip
    state, lines = verdict(run_results(forecasted=forecasted))
    assert state == "watch"
    assert lines[2] == "Look at: 2 series not forecast by the main model but by naive: a, b (y is 1e+300)."


def test_vanished_series_is_named_and_closed_series_is_no_warning() -> None:
    gone = SeriesWithoutForecast(series="west", cause="vanished", reason="?")
    assert verdict(run_results(without_forecast=(gone,)))[1][2] == "Look at: 1 series not forecast, vanished: west."
    closed = gone.model_copy(update={"cause": "closed"})
    assert verdict(run_results(without_forecast=(closed,)))[0] == "good"


def test_excluded_series_is_named_once() -> None:
    entry = SeriesWithoutForecast(series="a", cause="quarantined", reason="?")
    line = verdict(run_results(counts={"set_aside": ("a",)}, without_forecast=(entry,)))[1][2]
    assert line == "Look at: 1 series broke a rule and were excluded from the forecast: a."
