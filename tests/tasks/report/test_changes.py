"""What changed since the night before is named with its reason: champion, fallback, series, history, contract."""

from data_contracts.artifact import Artifact
from data_contracts.contract_diff import Change
from tasks.modeling.candidate import Candidate
from tasks.report.changes import list_changes
from tasks.report.page_data import HealthRow
from tasks.results.revision import RevisionParts
from tasks.results.steps import Fallback, ForecastResult, RegistrationResult, RevisionsResult
from tests.tasks.report.test_verdict import AS_OF, artifact, run_results

BASELINE = Candidate(name="linear", role="baseline", bundle=artifact())
GRU = Candidate(name="gru-8", role="champion", bundle=artifact(), version="4")


def test_champion_that_stays_is_the_only_row_of_an_ordinary_night() -> None:
    (row,) = list_changes(run_results(), ["a", "b"], ["a", "b"])
    assert row == HealthRow("Champion", "gru-8 v3 stays", "gru-8 stays", "good")


def test_new_champion_is_named_with_the_reason() -> None:
    new = RegistrationResult(champion=GRU, moved=True, reason="p = 0.01", decision=artifact())
    assert list_changes(run_results(registered=new), [], None)[0] == HealthRow(
        "Champion", "gru-8 v4 is new", "p = 0.01", "good"
    )


def test_night_without_a_champion_is_not_fine() -> None:
    none = RegistrationResult(champion=None, moved=False, reason="gru-8 does not beat linear", decision=artifact())
    assert list_changes(run_results(registered=none), [], None)[0] == HealthRow(
        "Champion", "none yet", "gru-8 does not beat linear"
    )


def test_retracted_vintage_is_a_change() -> None:
    rows = list_changes(run_results(), [], None, ["the vintage as of noon was retracted by eve"])
    assert rows[1:] == (HealthRow("Retracted", "the vintage as of noon was retracted by eve"),)


def test_forecast_that_moved_for_no_known_cause_is_named_with_the_reason() -> None:
    parts = RevisionParts(obstacle="old v4 was made for horizon 6, and the spec now asks for 3")
    sentence = "not split into causes: old v4 was made for horizon 6, and the spec now asks for 3"
    assert list_changes(run_results(attributed=parts), [], None)[-1] == HealthRow(
        "Forecast moved", sentence, "", "good"
    )


def test_fallback_is_named_with_the_reason() -> None:
    rung = Fallback(candidate=BASELINE, degraded_reason="the champion can't forecast")
    served = ForecastResult(table=artifact(), published=artifact(), rung=rung, last=AS_OF, series=2)
    rows = list_changes(run_results(forecasted=served), [], None)
    assert rows[1] == HealthRow("Forecast by", "linear, a fallback", "the champion can't forecast", "watch")


def test_moved_shares_are_named_by_simple_forecast() -> None:
    served = ForecastResult(
        table=artifact(), published=artifact(), rung=Fallback(candidate=GRU), last=AS_OF, series=2,
        share_changes=(0.041, -0.1, 0.0),
    )  # fmt: skip
    rows = list_changes(run_results(forecasted=served), [], None)
    note = "percentage points that the newest errors move them by, mean over the series; the network has the rest"
    assert rows[1:] == (HealthRow("Shares in the median", "linear map +4, last value -10, seasonal median +0", note),)


def test_series_are_new_only_if_a_night_before_is_known() -> None:
    assert list_changes(run_results(), ["a", "b"], None)[1:] == ()
    assert list_changes(run_results(), ["a", "b"], ["a"])[1:] == (
        HealthRow("Series", "1 forecast for the first time: b"),
    )


def test_changes_of_history_and_contract_are_listed() -> None:
    table = Artifact(contract="revisions@1.0.0", uri="artifacts/revisions/1.parquet", digest="1" * 64, rows=1)
    revised = RevisionsResult(rewritten=3, table=table, first="a at noon")
    change = Change(where="y", what="is required now", effect="breaking")
    rows = list_changes(run_results(revised=revised, rewritten=(change,)), [], None)
    note = "since the night before, the first: a at noon; all in artifacts/revisions/1.parquet"
    assert rows[1:] == (
        HealthRow("Past values", "3 rewritten", note, "watch"),
        HealthRow("Contract", "y: is required now", "breaking", "watch"),
    )


def test_forecast_that_moved_is_named_with_its_causes() -> None:
    parts = RevisionParts(
        table=artifact(), times=36, size=0.5, new_actuals=0.41, revised_history=0.02, covariates=0.0, model=0.15,
        largest="'a' at 2024-02-08 08:00 UTC: 3 → 4.5",
    )  # fmt: skip
    (row,) = list_changes(run_results(attributed=parts), ["a"], ["a"])[1:]
    assert row.label == "Forecast moved"
    assert row.value == "0.5 on average: new actuals 0.41, revised history 0.02, covariates 0, model 0.15"
    assert "over 36 rows that both nights forecast" in row.note
    assert "the largest: 'a' at 2024-02-08 08:00 UTC: 3 → 4.5" in row.note
    nothing = list_changes(run_results(attributed=RevisionParts()), ["a"], ["a"])
    assert [change.label for change in nothing] == ["Champion"]
