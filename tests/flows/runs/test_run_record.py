"""A manifest says that a run replayed the champion only if the run computed it."""

from types import SimpleNamespace as Values

import pytest

from flows.runs.run_record import replayed_champion

CONDITIONS = {"torch": "2.13.0"}


def model(digest: str) -> Values:
    return Values(bundle=Values(digest=digest))


def run(replayed: str, fault: str = "", forecast: str = "ran") -> Values:
    guard = Values(replayed=replayed, fault=fault, conditions=CONDITIONS)
    return Values(
        guard=guard, entries=[Values(step="ingest", outcome="ran"), Values(step="forecast", outcome=forecast)]
    )


def results(champion: str, forecast_by: str, kept: bool = False) -> Values:
    return Values(champion=model(champion), forecasted=Values(rung=Values(candidate=model(forecast_by)), kept=kept))


@pytest.mark.parametrize(
    ("run_facts", "run_results", "is_on_record"),
    [
        (run("aa"), results("aa", "aa"), True),
        (run("aa", forecast="cached"), results("aa", "aa"), True),  # it was replayed when the run began
        (run("aa"), results("bb", "bb"), True),  # promoted in this night, and loaded to forecast
        (run("aa", forecast="cached"), results("bb", "bb"), False),
        (run("", forecast="cached"), results("aa", "aa"), False),
        (run(""), results("bb", "cc"), False),  # a baseline forecast
        (run("", fault="missing"), results("aa", "aa"), False),
        (run(""), results("aa", "aa", kept=True), False),
    ],
)
def test_replay_of_the_champion_is_on_record(run_facts, run_results, is_on_record) -> None:
    replay = replayed_champion(run_facts, run_results)
    assert (replay is not None) is is_on_record
    if replay:
        assert (replay.bundle, replay.conditions) == (run_results.champion.bundle.digest, CONDITIONS)


def test_run_without_champion_has_no_replay() -> None:
    assert replayed_champion(Values(guard=None), Values(champion=model("aa"))) is None
    assert replayed_champion(run("aa"), Values(champion=None)) is None
