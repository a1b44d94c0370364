"""Missed nights that are run later equal nights on time; a dry run leaves the store as it is."""

import shutil

import pytest

from data_contracts.errors import NightsFailed, SpecError
from deployments.commands.run_flow import last_line
from flows.backfill import backfill
from flows.nightly import nightly
from flows.pipeline.parameters import NetworkForm, OverridesForm
from tests.flows.runs.test_kills import lasting
from tests.flows.test_nightly import bytes_of

pytestmark = pytest.mark.usefixtures("prefect_server")
NIGHTS = ("2024-02-07T03:00Z", "2024-02-08T03:00Z", "2024-02-09T03:00Z", "2024-02-10T03:00Z")


@pytest.fixture(scope="module")
def never_missed(tmp_path_factory, panel, build, prefect_server):
    """Stores after four nights that ran on time, and after the first of them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = build(tmp_path_factory.mktemp("on-time"), panel, patch)
        nightly.fn(str(folder / "ports.yaml"), NIGHTS[0])
        shutil.copytree(folder / "store", folder / "first")
        for night in NIGHTS[1:]:
            nightly.fn(str(folder / "ports.yaml"), night)
        return folder, lasting(folder / "store")


@pytest.fixture
def stopped(never_missed, world):
    """A world where only the first night has run."""
    shutil.copytree(never_missed[0] / "first", world / "store", dirs_exist_ok=True)
    return world


def test_missed_nights_are_published_as_if_on_time(stopped, never_missed):
    done = backfill(str(stopped / "ports.yaml"), "2024-02-07", "2024-02-10")
    assert [f"{night:%Y-%m-%dT%H:%MZ}" for night in done.published] == list(NIGHTS[1:])
    assert [f"{night:%Y-%m-%dT%H:%MZ}" for night in done.skipped] == [NIGHTS[0]]
    assert lasting(stopped / "store") == never_missed[1]

    kept = bytes_of(stopped / "store")
    again = backfill(str(stopped / "ports.yaml"), "2024-02-07", "2024-02-10")
    assert (len(again.published), len(again.skipped)) == (0, 4)
    assert bytes_of(stopped / "store") == kept


def test_backfill_continues_after_a_failed_night(stopped):
    with pytest.raises(NightsFailed, match=r"1 nights published, 2 failed") as failed:
        backfill.fn(
            str(stopped / "ports.yaml"), "2024-02-10", "2024-02-12"
        )  # the plan of the last two days is not known ahead
    assert failed.value.exit_code == 3
    assert "2024-02-11 03:00: the source" in str(failed.value)


def test_backfill_stops_at_an_invalid_spec(stopped):
    with pytest.raises(SpecError, match="--from"):
        backfill.fn(str(stopped / "ports.yaml"), None, "2024-01-01")


def test_dry_run_changes_no_byte_outside_its_overlay(stopped):
    kept = bytes_of(stopped / "store")
    overrides = OverridesForm(
        models=(NetworkForm(cell="lstm", hidden=8, segment=12),), max_epochs=1, quantiles=(0.2, 0.8)
    )
    outcome = nightly.fn(str(stopped / "ports.yaml"), NIGHTS[1], overrides=overrides, dry_run=True)
    after = bytes_of(stopped / "store")
    assert {uri: digest for uri, digest in after.items() if not uri.startswith("dry-runs/")} == kept
    rehearsal = stopped / "store/dry-runs/pipeline=ports/vintage=2024-02-08T030000Z"
    assert (rehearsal / outcome.page).exists()
    assert (rehearsal / outcome.published).exists()
    assert outcome.dry_run
    assert last_line(outcome.model_dump(mode="json")).startswith("dry run · nightly · ports")
    assert "below dry-runs/pipeline=ports/ in the store" in last_line(outcome.model_dump(mode="json"))


def test_night_after_a_dry_run_publishes(stopped, never_missed):
    nightly.fn(str(stopped / "ports.yaml"), NIGHTS[1], dry_run=True)
    outcome = nightly.fn(str(stopped / "ports.yaml"), NIGHTS[1])
    assert not outcome.cached
    assert (stopped / "store" / outcome.published).read_bytes() == never_missed[1][outcome.published]
