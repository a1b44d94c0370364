"""NIGHTCAST_LOG_LEVEL and NIGHTCAST_LOG_FORMAT: what a log collector reads from stderr."""

import json
import logging

import pytest
import typer

from data_contracts.errors import SpecError
from deployments.cli.output import run_command
from deployments.log_format import log_to_stderr
from tasks.engine import run_log

log = logging.getLogger("nightcast")


def test_each_line_is_an_object_with_run_and_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], restored_log: None
) -> None:
    monkeypatch.setattr(run_log, "_run", {"pipeline": None, "run_id": None})
    log_to_stderr(quiet=False, style="json")
    log.info("before\nthe run")
    run_log.name_run("shop", "0a1b")
    with run_log.running_step("train"):
        log.warning("epoch %d", 3)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert list(first) == ["time", "level", "pipeline", "run_id", "step", "message"]
    assert (first["pipeline"], first["step"], first["message"]) == (None, None, "before\nthe run")
    assert first["time"].endswith("+00:00")
    assert {key: second[key] for key in list(second)[1:]} == {
        "level": "WARNING", "pipeline": "shop", "run_id": "0a1b", "step": "train", "message": "epoch 3"
    }  # fmt: skip


def test_error_of_a_command_is_a_line_too(capsys: pytest.CaptureFixture[str], restored_log: None) -> None:
    def fail() -> None:
        raise SpecError("no such pipeline")

    log_to_stderr(quiet=False, style="json")
    with pytest.raises(typer.Exit):
        run_command(fail, as_json=False, verbose=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["level"], json.loads(line)["message"]) == ("ERROR", "no such pipeline")


@pytest.mark.parametrize(
    ("level", "quiet", "shown"),
    [
        ("", False, ["info", "warning"]),
        ("warning", False, ["warning"]),
        ("DEBUG", False, ["debug", "info", "warning"]),
        ("debug", True, ["warning"]),
        ("loud", False, [
            "NIGHTCAST_LOG_LEVEL is 'loud', which is not one of DEBUG, INFO, WARNING, ERROR: the default is used",
            "info", "warning",
        ]),
    ],
)  # fmt: skip
def test_level_of_the_environment(
    capsys: pytest.CaptureFixture[str],
    restored_log: None,
    level: str,
    quiet: bool,
    shown: list[str],
) -> None:
    log_to_stderr(quiet, level)
    for name in ("debug", "info", "warning"):
        getattr(log, name)(name)
    assert capsys.readouterr().err.splitlines() == shown
