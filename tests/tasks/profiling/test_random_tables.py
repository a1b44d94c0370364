"""Any honest table is read rightly: what `init` infers and `check` reads is what was written, for random tables."""

import tempfile
from datetime import UTC
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings

from data_contracts.yaml_reader import mapping
from deployments.commands.init_files import render_contract, render_pipeline
from flows.pipeline.spec import PipelineSpec
from tasks.intake.examination import examine
from tasks.intake.known_rows import filter_as_of
from tasks.profiling.inference import Hints
from tasks.profiling.open_source import infer_source, read_sample
from tasks.profiling.profile import profile_table
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.read import read_source
from tests.tasks.profiling.table_cases import STARTS, TableCase, table_cases, truth, with_mistake, write, written_name

CALENDAR = ("D", "B", "W-MON", "MS", "ME", "QS-JAN")
FREQUENCIES = {"QS-JAN": ("QS-JAN", "QS-OCT", "QS"), "B": ("B", "D")}  # other names of the same steps
RELAXED = settings(suppress_health_check=list(HealthCheck), print_blob=True)


def read_rightly(case: TableCase) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _read_rightly(case, Path(folder))


def _read_rightly(case: TableCase, folder: Path) -> None:
    rows = truth(case)
    written = with_mistake(case, rows)
    path = write(case, written, folder)
    source, table = read_sample(infer_source(str(path)))
    profile = profile_table(table, source, Hints())
    assert (profile.ds, profile.y) == ("day", "sold")
    assert profile.freq in FREQUENCIES.get(case.freq, (case.freq,))
    assert profile.id_columns == {"none": (), "two columns": ("store", "item")}.get(case.ids, ("shop",))

    (folder / "shop.odcs.yaml").write_text(render_contract(profile, "shop", str(path)), encoding="utf-8")
    text = render_pipeline(profile, "shop", str(path), None)
    spec = PipelineSpec.model_validate(mapping(text, "the draft"))
    spec = spec.model_copy(update={"contract": str(folder / "shop.odcs.yaml")})
    last = rows["ds"].max()
    ahead = pd.Timedelta(seconds=1) if case.running else 3 * pd.tseries.frequencies.to_offset(case.freq)
    moment = (last + ahead).tz_localize("UTC").to_pydatetime()
    ended = rows if not case.running else rows[rows["ds"] < last]
    reading = spec.dataset
    canonical = to_canonical_columns(read_source(reading.source, reading.select_columns, moment), reading)
    raw = filter_as_of(canonical, reading, moment.astimezone(UTC)).to_pandas()
    result = examine(raw, reading, moment)
    assert result.stopping == ()
    health = result.health
    assert (health.read, health.used, health.quarantined) == (len(written), len(ended), len(written) - len(rows))
    assert health.held_back == len(rows) - len(ended)

    expected = ended.assign(unique_id=[written_name(name) for name in ended["name"]])
    expected["ds"] = expected["ds"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    clean = result.clean.dropna(subset=["y"])
    columns = ["unique_id", "ds", "y"]
    left, right = (part[columns].sort_values(columns[:2]).reset_index(drop=True) for part in (expected, clean))
    pd.testing.assert_frame_equal(left, right, check_dtype=False, rtol=0, atol=0)


@settings(RELAXED, max_examples=12)
@given(table_cases())
@example(TableCase("15min", 8, "float", "none", "csv", False, False, False, "far off", 0))  # the Unix time 0
def test_random_table_is_read_as_it_was_written(case):
    read_rightly(case)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(RELAXED, max_examples=2000)
@given(table_cases())
def test_two_thousand_random_tables_are_read_as_they_were_written(case):
    read_rightly(case)


@pytest.mark.slow
@pytest.mark.parametrize("freq", sorted(STARTS))
def test_every_spelling_of_times_is_read(freq):
    from tests.tasks.profiling.table_cases import SPELLINGS

    for spelling in range(len(SPELLINGS[freq])):
        read_rightly(TableCase(freq, spelling, "float", "text", "csv", False, False, False, "none", 0))
