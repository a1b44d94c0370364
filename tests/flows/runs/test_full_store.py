"""A store that is full, or refuses writes, after the forecast was published: exit code 1, and a rerun completes it."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from flows.forecast import forecast
from flows.runs.failure_record import ResultsNotStored
from tasks.storage import files, large_files
from tasks.storage.failures import StoreFull

NIGHT = "2024-02-10"
write, move_into_store = files.write, large_files.move_into_store


@pytest.fixture
def store(two_nights, tmp_path, monkeypatch) -> Path:
    """A copy of the store of two nights; the pipeline stays where it is."""
    shutil.copytree(two_nights[0] / "store", tmp_path / "store")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def refuse(monkeypatch, code: int, *folders: str) -> None:
    """Fail every write to these folders of a store."""

    def refused(root, uri, data, **options):
        if uri.startswith(folders):
            raise OSError(code, os.strerror(code))
        return write(root, uri, data, **options)

    def refused_file(scratch, root, uri):
        if uri.startswith(folders):
            raise OSError(code, os.strerror(code))
        return move_into_store(scratch, root, uri)

    monkeypatch.setattr(files, "write", refused)
    monkeypatch.setattr(large_files, "move_into_store", refused_file)


@pytest.mark.parametrize(
    ("code", "reason", "step"),
    [
        (errno.ENOSPC, "No space left on device", "Free space on that disk"),
        (errno.EDQUOT, "Disk quota exceeded", "Free space on that disk"),
        (errno.EACCES, "Permission denied", "Check its permissions"),
    ],
)
def test_night_without_space_for_its_page_fails_and_its_forecasts_stay(
    two_nights, store, monkeypatch, code, reason, step
) -> None:
    pipeline = str(two_nights[0] / "ports.yaml")
    with monkeypatch.context() as full:
        refuse(full, code, "reports/")
        with pytest.raises(ResultsNotStored) as failed:
            forecast.fn(pipeline, NIGHT)
    published = "forecasts/pipeline=ports/vintage=2024-02-10T000000Z/forecasts.parquet"
    message = str(failed.value)
    assert failed.value.exit_code == 1
    assert message.startswith(f"the forecasts are published ({published}), but the store could not take the results of")
    assert "report: cannot write reports/pipeline=ports/" in message
    assert reason in message
    assert step in message
    assert (store / published).exists()
    outcome = forecast.fn(pipeline, NIGHT)
    assert (outcome.published, outcome.verdict) == (published, "good")
    assert (store / outcome.page).exists()
    assert (store / outcome.manifest).exists()


def test_night_without_space_for_a_step_that_it_can_do_without_fails_too(two_nights, store, monkeypatch) -> None:
    refuse(monkeypatch, errno.ENOSPC, "artifacts/states/")
    with pytest.raises(ResultsNotStored, match="the store could not take the results of keep_states: cannot write"):
        forecast.fn(str(two_nights[0] / "ports.yaml"), NIGHT)
    pages = list((store / "reports/pipeline=ports").glob("refused-forecast-*/index.html"))
    (page,) = pages
    assert "The forecasts are published, but the store could not take all results of the night." in page.read_text()


def test_run_that_cannot_write_its_lease_names_the_store(two_nights, store, monkeypatch) -> None:
    refuse(monkeypatch, errno.ENOSPC, "leases/")
    with pytest.raises(StoreFull) as failed:
        forecast.fn(str(two_nights[0] / "ports.yaml"), NIGHT)
    message = str(failed.value)
    assert message.startswith(f"cannot write the lease of pipeline 'ports' to the store '{store}': [Errno 28] No space")
    assert "nightcast gc lists what old nights can give back" in message
