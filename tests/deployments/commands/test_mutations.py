"""A good table mutated in many ways, one at a time: the finding, the exit code, and that no row is lost."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from data_contracts.errors import NightcastError
from deployments.cli.main import app
from deployments.commands.check import describe_check
from flows.nightly import nightly
from flows.pipeline.spec import PipelineSpec
from tasks.ingestion import ingest
from tasks.storage.store import Store
from tasks.validation import validate

HOURS, NIGHT = 24 * 30, "2024-01-30"
READ = 2 * 24 * 29  # rows before that night
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shops
version: 1.0.0
status: active
schema:
  - name: shops
    customProperties: [{property: rowFaults, value: ROWS}]
    properties:
      - {name: shop, logicalType: string, required: true}
      - {name: hour, logicalType: timestamp, logicalTypeOptions: {timezone: true}}
      - {name: sold, logicalType: number, logicalTypeOptions: {minimum: 0}}
      - {name: wind, logicalType: number}
"""
SPEC = {
    "name": "shops",
    "contract": "shops.odcs.yaml",
    "columns": {"unique_id": "shop", "ds": "hour", "y": "sold"},
    "freq": "h",
    "features": {"observed": ["wind"]},
    "windowing": {"lookback": 48, "horizon": 12, "validation": "4d", "test": "4d"},
    "models": [{"cell": "gru", "hidden": 4, "segment": 12}],
    "training": {"max_epochs": 1, "windows_per_epoch": 128},
    "evaluation": {"windows": 2},
}

Made = Callable[[pd.DataFrame], pd.DataFrame | bytes]


class Mutation(NamedTuple):
    """A mutation and its expected result. With `stops`, every night exits with 3; else only with severity error.

    `out` rows are in quarantine, `lost` rows of the good table are missing, `gaps` steps are empty.
    """

    made: Made
    message: str = ""
    stops: bool = False
    out: int = 0
    lost: int = 0
    gaps: int = 0


def table() -> pd.DataFrame:
    """Two shops, thirty days of hours, written as text with an offset."""
    hours = pd.date_range("2024-01-01", periods=HOURS, freq="h", tz="UTC")
    shape = (10 + 8 * np.sin(2 * np.pi * np.arange(HOURS) / 24)).round(2)
    stamps = hours.strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [pd.DataFrame({"shop": name, "hour": stamps, "sold": shape, "wind": 3.0}) for name in ("a", "b")]
    return pd.concat(parts, ignore_index=True)


def put(column: str, value: object) -> Made:
    """Put another value in row 7: shop a at 07:00 on the first day."""

    def made(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.astype({column: object})
        changed.loc[7, column] = value
        return changed

    return made


def named(name: str) -> Made:
    """Rename the second shop."""
    return lambda frame: frame.assign(shop=frame["shop"].replace("b", name))


def again(**changes: Any) -> Made:
    """Repeat row 7 at the end."""
    return lambda frame: pd.concat([frame, frame.iloc[[7]].assign(**changes)])


def text(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    more = pd.DataFrame(0, frame.index, [f"c{number}" for number in range(10_000)])
    return pd.concat([frame, more], axis=1)


ROW = "; 1 row at fault, series 'a', row 7; ds '2024-01-01T07:00:00Z', y {}"
TIMED = "; 1 row at fault, series 'a', row 7; ds {}, y '17.73'"
NAMED = "rule 'unique_id is a name', column 'shop': a series needs a name without control characters; 1 row at fault, "
TWICE = "rule 'one row a series and time', column 'shop, hour': repeats the key of an earlier row; 1 row at fault, "
GRID = (
    "rule 'ds is on the grid', column 'hour': lies between two steps of freq 'h' (steps are at Mon 00:00, Mon 01:00 …)"
)
FAR_OFF = (
    "rule 'ds is near the others', column 'hour': {} lies far from the other times, 2024-01-01 to 2024-01-29; correct "
    "the date or remove the row in the source, or send such rows to quarantine with a contract (rowFaults: warning)"
)
TIME = "rule 'ds is a time', column 'hour': must be a valid time"
ZONE = "rule 'ds has a zone', column 'hour': must have a time zone or an offset"
FINITE = "rule 'y is finite', column 'sold': must be finite"
NUMBER = "rule 'y is a number', column 'sold': must be a number or empty"
SHORT = "needs 216 (horizon 12). Shorten windowing.horizon, validation or test, or provide more history."
FIRST = "ds '2024-01-01T07:00:00Z', y '17.73'"

MUTATIONS = {
    "none": Mutation(lambda f: f),
    "a missing column": Mutation(
        lambda f: f.drop(columns="sold"),
        "column 'sold', the target (y), is missing; the source has shop, hour, wind",
        stops=True,
    ),
    "an extra column": Mutation(lambda f: f.assign(note="x")),
    "a renamed column": Mutation(
        lambda f: f.rename(columns={"sold": "solt"}),
        "column 'sold', the target (y), is missing; did you mean 'solt'?",
        stops=True,
    ),
    "reordered columns": Mutation(lambda f: f[["wind", "sold", "hour", "shop"]]),
    "a column twice": Mutation(
        lambda f: pd.concat([f, f[["sold"]]], axis=1), "column 'sold', the target (y), occurs 2 times", stops=True
    ),
    "a retyped column": Mutation(
        lambda f: f.assign(sold="many"),
        "rule 'type of the column', column 'sold': the contract promises number, the source has text: none of "
        "its 1,392 values can be parsed, the first is 'many'",
        stops=True,
    ),
    "10,000 columns": Mutation(wide),
    "an empty file": Mutation(lambda f: b"", "the file is empty and has no header", stops=True),
    "a header only": Mutation(lambda f: f.head(0), "the table has no rows", stops=True),
    "one row": Mutation(
        lambda f: f.head(1),
        "the history has 1 steps, but one window each for training, validation and test needs 48 (horizon 12)",
        stops=True,
    ),
    "no value at all": Mutation(
        lambda f: f.assign(sold=None), "no row has a value of 'sold' before 2024-01-30 00:00", stops=True
    ),
    "a file cut off": Mutation(
        lambda f: text(f)[:-5], "it can't be read as csv: line 1441 has 3 fields, the header has 4", stops=True
    ),
    "a row too short": Mutation(
        lambda f: text(f) + b"a,2024-01-01T00:00:00Z,1\n",
        "it can't be read as csv: line 1442 has 3 fields, the header has 4: 'a,2024-01-01T00:00:00Z,1'",
        stops=True,
    ),
    "a byte that is no letter": Mutation(
        lambda f: text(f).replace(b"\na,", b"\n\xff,", 1),
        "it can't be read as csv: invalid UTF8 in line 2, byte 20 is 0xff; set the encoding of the "
        "source, such as `encoding: latin-1`",
        stops=True,
    ),
    "no name": Mutation(put("shop", None), NAMED + f"series nothing, row 7; {FIRST}", out=1, gaps=1),
    "a blank name": Mutation(put("shop", "  "), NAMED + f"series '  ', row 7; {FIRST}", out=1, gaps=1),
    "a name with NUL": Mutation(put("shop", "a\0b"), NAMED + rf"series 'a\x00b', row 7; {FIRST}", out=1, gaps=1),
    "no time": Mutation(put("hour", None), TIME + TIMED.format("nothing"), out=1, gaps=1),
    "a time that is none": Mutation(put("hour", "25 o'clock Z"), TIME + TIMED.format('"25 o\'clock Z"'), out=1, gaps=1),
    "30 February": Mutation(
        put("hour", "2024-02-30T00:00:00Z"), TIME + TIMED.format("'2024-02-30T00:00:00Z'"), out=1, gaps=1
    ),
    "no value": Mutation(put("sold", None), gaps=1),
    "infinity": Mutation(put("sold", "inf"), FINITE + ROW.format("'inf'"), out=1, gaps=1),
    "a number beyond a float": Mutation(put("sold", "1e400"), FINITE + ROW.format("'1e400'"), out=1, gaps=1),
    "text in numbers": Mutation(put("sold", "many"), NUMBER + ROW.format("'many'"), out=1, gaps=1),
    "a decimal comma": Mutation(put("sold", "3,5"), NUMBER + ROW.format("'3,5'"), out=1, gaps=1),
    "a negative": Mutation(
        put("sold", -1),
        "rule 'sold keeps its minimum', column 'sold': sold must be at least 0" + ROW.format("'-1'"),
        out=1,
        gaps=1,
    ),
    "a row twice": Mutation(again(), TWICE + f"series 'a', row 1440; {FIRST}", out=1, lost=-1),
    "a row twice with two values": Mutation(
        again(sold=99), TWICE + "series 'a', row 1440; ds '2024-01-01T07:00:00Z', y '99.0'", out=1, lost=-1
    ),
    "a gap": Mutation(lambda f: f.drop(index=7), lost=1, gaps=1),
    "shuffled rows": Mutation(lambda f: f.sample(frac=1, random_state=1)),
    "a time without its zone": Mutation(
        put("hour", "2024-01-01T07:00:00"), ZONE + TIMED.format("'2024-01-01T07:00:00'"), out=1, gaps=1
    ),
    "no zones at all": Mutation(
        lambda f: f.assign(hour=f["hour"].str[:-1]),
        ZONE
        + "; 1,392 rows at fault, series 'a', 'b', rows 0, 1, 2, 3, 4 …; the first: ds '2024-01-01T00:00:00', y '10.0'",
        stops=True,
    ),
    "a wrong zone": Mutation(
        put("hour", "2024-01-01T07:00:00+05:30"), GRID + TIMED.format("'2024-01-01T07:00:00+05:30'"), out=1, gaps=1
    ),
    "another zone, rightly": Mutation(put("hour", "2024-01-01T09:00:00+02:00")),
    "off the grid": Mutation(
        put("hour", "2024-01-01T07:07:00Z"), GRID + TIMED.format("'2024-01-01T07:07:00Z'"), out=1, gaps=1
    ),
    "the future": Mutation(
        put("hour", "2031-01-01T07:00:00Z"),
        FAR_OFF.format("2031-01-01") + "; 1 row at fault, series 'a', row 7; ds '2031-01-01T07:00:00Z', y nothing",
        out=1,
        gaps=1,
    ),
    "the year 202": Mutation(
        put("hour", "0202-01-01T07:00:00Z"),
        FAR_OFF.format("0202-01-01") + TIMED.format("'0202-01-01T07:00:00Z'"),
        out=1,
        gaps=1,
    ),
    "an id with /": Mutation(named("a/b")),
    "an id with ..": Mutation(named("../x")),
    "an emoji as id": Mutation(named("🍎🏪")),
    "an id of 500 letters": Mutation(named("x" * 500)),
    "an id that is a formula": Mutation(named("=cmd|' /C calc'!A0")),
    "an id that is a script": Mutation(named("<script>alert(1)</script>")),
    "an id from right to left": Mutation(named("حانوت\u202e")),
    "a constant series": Mutation(lambda f: f.assign(sold=f["sold"].where(f["shop"] == "a", 5))),
    "a series that ends": Mutation(lambda f: f.drop(index=f.index[-120:]), lost=96, gaps=96),
    "a series too short": Mutation(lambda f: f.drop(index=f.index[HOURS : HOURS + 24 * 28]), lost=24 * 28),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shops")


@pytest.fixture
def broken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Mutation]:
    """broken(name, "error"): write the mutated table, a contract with that severity and the pipeline to `folder`."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NIGHTCAST_STORE", str(folder / "store"))
    monkeypatch.setenv("PREFECT_HOME", os.environ.get("PREFECT_HOME", str(folder / "prefect")))

    def write(name: str, severity: str) -> Mutation:
        mutation = MUTATIONS[name]
        made = mutation.made(table())
        (folder / "shops.csv").write_bytes(made if isinstance(made, bytes) else text(made))
        (folder / "shops.odcs.yaml").write_text(CONTRACT.replace("ROWS", severity), encoding="utf-8")
        source = {"kind": "csv", "path": str(folder / "shops.csv")}
        (folder / "shops.yaml").write_text(yaml.safe_dump(SPEC | {"source": source}), encoding="utf-8")
        return mutation

    return write


def run_check() -> tuple[int, dict[str, Any]]:
    """Run `nightcast check` and return (exit code, facts)."""
    result = CliRunner().invoke(app, ["check", "shops.yaml", "--as-of", NIGHT, "--json"])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_the_only_finding(broken: Any, restored_log: None, name: str) -> None:
    mutation = broken(name, "error")
    if mutation.message:
        code, facts = run_check()
        assert code == 3
        findings = [line[4:] for line in facts["message"].splitlines() if line.startswith("  - ")] or [facts["message"]]
        assert len(findings) == 1
        assert findings[0].startswith(mutation.message)
    else:
        assert describe_check(PipelineSpec.read("shops.yaml"), NIGHT)["warnings"] == []


@pytest.mark.parametrize("name", [name for name, mutation in MUTATIONS.items() if not mutation.stops])
def test_with_severity_warning_the_night_continues_and_no_row_is_lost(broken: Any, tmp_path: Path, name: str) -> None:
    mutation = broken(name, "warning")
    warnings = describe_check(PipelineSpec.read("shops.yaml"), NIGHT)["warnings"]
    assert [warning.startswith(mutation.message) for warning in warnings] == ([True] if mutation.message else [])
    reading, store = PipelineSpec.read("shops.yaml").dataset, Store(root=str(tmp_path / "store"))
    as_of = datetime.fromisoformat(NIGHT).replace(tzinfo=UTC)
    validated = validate.fn(ingest.fn(reading, as_of, store), reading, as_of, store)
    health = validated.health
    assert (health.read, health.quarantined) == (READ - mutation.lost, mutation.out)
    assert health.used + health.quarantined == health.read
    assert health.gaps == mutation.gaps
    assert (validated.quarantine.rows if validated.quarantine else 0) == mutation.out


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_night_on_mutated_table_publishes_or_stops(
    broken: Any, folder: Path, prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mutation = broken(name, "warning")
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    if mutation.stops:
        with pytest.raises(NightcastError) as refused:
            nightly("shops.yaml", NIGHT)
        assert refused.value.exit_code == 3
        assert not (tmp_path / "store" / "forecasts").exists()
        return
    outcome = nightly("shops.yaml", NIGHT)
    published = pd.read_parquet(tmp_path / "store" / outcome.published)
    record = json.loads((tmp_path / "store" / outcome.manifest).read_text(encoding="utf-8"))
    assert record["failures"] == []
    assert published.groupby("unique_id").size().unique().tolist() == [12]
    assert record["story"]["validated"]["health"]["quarantined"] == mutation.out
    page = (tmp_path / "store" / outcome.page).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    escaped = [path for path in (tmp_path / "store").rglob("*") if "calc" in path.name or "alert" in path.name]
    assert escaped == []
