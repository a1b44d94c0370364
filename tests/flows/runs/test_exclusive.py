"""The lease of a pipeline is not held while its source is read: a source that hangs costs its own night only."""

import threading
import time
from pathlib import Path

import pytest
import yaml

from data_contracts.errors import LeaseHeld, NightcastError, SourceUnreadable
from flows.nightly import nightly
from flows.runs.run import open_run
from tasks.storage.lease import LeaseSettings, hold_lease, lease_numbers
from tasks.storage.process_identity import current_process

NIGHT = "2024-02-08"
HANGS = """
import time
from pathlib import Path
folder = Path(__file__).parent
def rows():
    (folder / "reads").touch()
    while not (folder / "ends").exists():
        time.sleep(0.02)
    raise OSError("the disk came back without the table")
"""


@pytest.fixture
def hanging(world: Path) -> Path:
    """The pipeline `ports` with a source that hangs until a file `ends` is there."""
    spec = yaml.safe_load((world / "ports.yaml").read_text(encoding="utf-8"))
    (world / "hangs.py").write_text(HANGS, encoding="utf-8")
    source = {"kind": "python", "callable": "hangs:rows"}
    (world / "hanging.yaml").write_text(yaml.safe_dump(spec | {"source": source}), encoding="utf-8")
    return world / "hanging.yaml"


def start(pipeline: Path, errors: list[NightcastError]) -> threading.Thread:
    def run() -> None:
        try:
            nightly.fn(str(pipeline), NIGHT)
        except NightcastError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while not (pipeline.parent / "reads").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return thread


def test_source_that_hangs_does_not_block_another_night_of_its_pipeline(
    hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTCAST_LEASE_WAIT", "1")
    world, errors = hanging.parent, list[NightcastError]()
    thread = start(hanging, errors)
    try:
        assert lease_numbers(str(world / "store"), "ports") == []
        with open_run("monitor", str(world / "ports.yaml"), NIGHT) as run:
            run.leased_store().write_json("runs/pipeline=ports/other.json", {"written": True})
    finally:
        (world / "ends").touch()
        thread.join(60)
    assert [type(error) for error in errors] == [SourceUnreadable]
    assert "the disk came back without the table" in str(errors[0])
    assert lease_numbers(str(world / "store"), "ports") == []


def test_night_whose_source_hangs_ends_at_its_timeout_and_leaves_a_record(hanging: Path) -> None:
    spec = yaml.safe_load(hanging.read_text(encoding="utf-8"))
    spec["source"]["timeout"] = "500ms"
    hanging.write_text(yaml.safe_dump(spec), encoding="utf-8")
    with pytest.raises(SourceUnreadable, match=r"not read within 500ms \(source\.timeout\)") as refused:
        nightly.fn(str(hanging), NIGHT)
    (hanging.parent / "ends").touch()
    assert refused.value.exit_code == 3
    assert "The page of this night: " in refused.value.__notes__[0]
    assert list((hanging.parent / "store/runs/pipeline=ports").glob("refused-nightly-*.json"))


def test_run_that_loses_the_race_for_the_lease_after_reading_is_refused_without_a_record(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTCAST_LEASE_WAIT", "0.2")
    faster = hold_lease(str(world / "store"), "ports", current_process("nightly ports"), LeaseSettings())
    with (
        pytest.raises(LeaseHeld, match="locked by another run: nightly ports"),
        open_run("nightly", str(world / "ports.yaml"), NIGHT) as run,
        faster,
    ):
        run.leased_store()
    run.record_failure(OSError("a signal while it waited"))
    assert not (world / "store/runs").exists()
