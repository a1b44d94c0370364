"""The page of a failed night: each class of failure has its own headline, and nothing on the page is empty."""

import errno
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_contracts.errors import (
    ColumnsDiffer,
    ContractBroken,
    ContractExpired,
    NoChampion,
    SourceUnreadable,
    SpecError,
    StoreDamaged,
)
from models.data.windows import HistoryTooShort
from tasks.engine.failure import OutOfMemory, is_out_of_memory
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.report.failure_page import describe_error, render_failure_page
from tasks.results.steps import RunContext
from tasks.sources.missing import SourceMissing, SourceUnreachable
from tasks.storage import files
from tasks.storage.failures import StoreFull, StoreUnusable
from tasks.storage.store import Store

ERRORS = {
    "The source does not exist": SourceMissing("the source x.csv does not exist."),
    "The source cannot be reached": SourceUnreachable("the source x", ["the database says: refused"]),
    "The source cannot be read as its table": SourceUnreadable("the source x", ["it can't be read as csv"]),
    "The columns of the source are not those": ColumnsDiffer("the source x", ["column 'y' is missing"]),
    "the data broke its contract": ContractBroken("the source x", ["rule 'y is a number'"], "quarantine/q.parquet"),
    "The contract of the source has expired": ContractExpired("the contract c@1 reached its end of life."),
    "The pipeline cannot run as it is written": SpecError("horizon: must be above 0."),
    "No model can forecast": NoChampion("shop", "no night has run"),
    "The store is full": StoreFull("cannot write x."),
    "The store cannot be used": StoreUnusable("cannot write x."),
    "A file of the store is damaged": StoreDamaged("artifacts/raw/x.parquet", "is missing"),
    "The night ran out of memory": OutOfMemory("in step 'train'"),
    "The history is too short": HistoryTooShort(10, 100, 24),
    "The night stopped": KeyError("a defect"),
}


@pytest.mark.parametrize("headline", ERRORS)
def test_each_class_has_its_own_headline(headline: str) -> None:
    shown = describe_error(ERRORS[headline], "ingest")
    assert headline in shown.headline
    assert sum(headline in describe_error(error, "ingest").headline for error in ERRORS.values()) == 1
    assert all(shown.reasons)


def test_rows_are_only_named_where_rows_were_rejected() -> None:
    advice = {headline: describe_error(error, "ingest").advice for headline, error in ERRORS.items()}
    assert [headline for headline, text in advice.items() if "rows" in text] == ["the data broke its contract"]


def test_page_has_no_empty_section_and_the_command_to_run_next(tmp_path: Path, forecast_setup: ForecastSetup) -> None:
    store = Store(root=str(tmp_path))
    run = RunContext(pipeline="shop", run_id="refused-nightly-x", as_of=datetime(2024, 2, 9, tzinfo=UTC))
    rerun = "nightcast nightly shop --as-of 2024-02-09T00:00:00Z"
    error = SourceMissing("the source <b>x</b> does not exist.")
    artifact = render_failure_page(run, "ingest", error, forecast_setup, store, rerun)
    page = (tmp_path / artifact.uri).read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Why the night stopped", "Next"]
    assert "<h1>The source does not exist: nothing new was published.</h1>" in page
    assert "No earlier forecast has been published." in page
    assert rerun in page
    assert "<b>x</b>" not in page
    assert not re.search(r"contract|rows", re.sub(r"(?s)<style>.*?</style>", "", page))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_allocation_that_failed_is_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("number", "expected", "advice", "not_said"),
    [
        (errno.ENOSPC, StoreFull, "nightcast gc", "permissions"),
        (errno.EDQUOT, StoreFull, "nightcast gc", "permissions"),
        (errno.EACCES, StoreUnusable, "Check its permissions", "Free"),
        (errno.EROFS, StoreUnusable, "Check its permissions", "Free"),
    ],
)
def test_full_disk_and_missing_rights_have_their_own_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type, advice: str, not_said: str
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OSError(number, "refused")

    monkeypatch.setattr(files, "write", refuse)
    with pytest.raises(StoreUnusable, match=advice) as refused:
        Store(root=str(tmp_path)).check_writable()
    assert type(refused.value) is expected
    assert not_said not in str(refused.value)
