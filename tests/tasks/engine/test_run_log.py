"""Entries, log lines and progress bar of a run."""

import logging

import pytest

from data_contracts.artifact import Artifact
from tasks.engine import run_log
from tasks.engine.failure import StepFailure

log = logging.getLogger("nightcast")

CLAIM = Artifact(contract="clean@1.0.0", uri="artifacts/clean/x", digest="0" * 64, rows=1234)


def test_entries_are_collected_only_in_their_context() -> None:
    run_log.log_step("before", "ran", 1.0)
    with run_log.record_entries() as entries:
        run_log.log_step("train", "ran", 1.23456, "6 epochs")
        run_log.log_step("report", "cached", 0.0)
    run_log.log_step("after", "ran", 1.0)
    assert [entry.model_dump() for entry in entries] == [
        {"step": "train", "outcome": "ran", "seconds": 1.235, "text": "6 epochs"},
        {"step": "report", "outcome": "cached", "seconds": 0.0, "text": ""},
    ]


def test_nested_run_has_its_own_entries() -> None:
    with run_log.record_entries() as outer:
        with run_log.record_entries() as inner:
            run_log.log_step("a", "ran", 0.0)
        run_log.log_step("b", "ran", 0.0)
    assert [[entry.step for entry in entries] for entries in (outer, inner)] == [["b"], ["a"]]


@pytest.mark.parametrize(("outcome", "level"), [("ran", "INFO"), ("cached", "INFO"), ("failed", "WARNING")])
def test_failed_step_is_logged_as_a_warning(monkeypatch: pytest.MonkeyPatch, outcome: str, level: str) -> None:
    records: list[logging.LogRecord] = []
    listener = logging.Handler()
    monkeypatch.setattr(listener, "emit", records.append)
    monkeypatch.setattr(log, "handlers", [listener])
    log.setLevel(logging.INFO)
    run_log.log_step("train", outcome, 1.0, "why")  # type: ignore[arg-type]
    assert [(record.levelname, "train" in record.getMessage()) for record in records] == [(level, True)]


@pytest.mark.parametrize(
    ("result", "words"), [(CLAIM, "1,234 rows"), (StepFailure(step="a", reason="b"), ""), (None, "")]
)
def test_result_is_described_in_a_few_words(result: object, words: str) -> None:
    assert run_log.describe_result(result) == words


def test_progress_bar_without_a_terminal_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with run_log.progress_bar("gru-64", 3) as advance:
        for _ in range(3):
            advance("loss 0.5")
    assert capsys.readouterr() == ("", "")
