"""Thousands of broken inputs through the command line: a documented exit code, a sentence, within seconds.

An input is determined by its kind and number: a failure is repeated with `run_input(world, kind, number)`.
"""

import contextlib
import io
import json
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from tests.faults import mutations

FORMATS = Path(__file__).parents[1] / "formats"
MAX_SECONDS = 10.0  # of computing: other tests may run on the same cores
MAX_WALL_SECONDS = 120.0
EXIT_CODES = {0, 1, 2, 3, 4}
PYTHON_ERROR = re.compile(
    r"Traceback|--verbose to see the traceback|internal error"
    r"|\b(?:Key|Type|Value|Attribute|Index|ZeroDivision|Overflow|Recursion|Assertion|Unicode\w*|Memory|NotImplemented"
    r"|Lookup|Name|Runtime|Validation|Parser|Arrow\w*|OutOfBounds\w*|BadZip\w*|Safetensor)Error\b|\bArrowInvalid\b"
    r"|\b\w+ object (?:is not|has no)\b|unhashable|NoneType(?!, not a mapping)"
)


class Kind(NamedTuple):
    """A kind of input: the file that is mutated, how, the command, and how many inputs of it there are."""

    file: str
    mutate: mutations.Mutation
    command: tuple[str, ...]
    count: int
    sample: int = 12


class Ended(NamedTuple):
    """What a command did."""

    code: object
    output: str
    seconds: float
    wall_seconds: float


CHECK = ("check", "{world}/pipelines/{name}.yaml", "--as-of", "2024-03-01")
PIPELINES = "{world}/pipelines"
SHOP = f"{PIPELINES}/shop.yaml"
RUNS = "store/runs/*/*.json"
CONTRACT = "pipelines/shop-contract.yaml"
KINDS = {
    "csv": Kind("sales.csv", mutations.table_mutation(mutations.to_csv), (*CHECK, "csv"), 600),
    "parquet": Kind("sales.parquet", mutations.table_mutation(mutations.to_parquet), (*CHECK, "parquet"), 450),
    "json": Kind("sales.jsonl", mutations.table_mutation(mutations.to_json), (*CHECK, "json"), 150, 6),
    "excel": Kind("sales.xlsx", mutations.table_mutation(mutations.to_excel), (*CHECK, "excel"), 100, 4),
    "init csv": Kind("sales.csv", mutations.table_mutation(mutations.to_csv), ("init",), 60, 2),
    "init parquet": Kind("sales.parquet", mutations.table_mutation(mutations.to_parquet), ("init",), 40, 2),
    "pipeline": Kind("pipelines/csv.yaml", mutations.mutate_yaml, (*CHECK, "csv"), 2600, 25),
    "contract": Kind(CONTRACT, mutations.mutate_yaml, (*CHECK, "shop"), 400, 8),
    "contract page": Kind(CONTRACT, mutations.mutate_yaml, ("contract", "page", "{world}/" + CONTRACT), 1600, 15),
    "contract diff": Kind(
        CONTRACT, mutations.mutate_yaml, ("contract", "diff", "{world}/contract.yaml", "{world}/" + CONTRACT), 400, 8
    ),
    "manifest": Kind(RUNS, mutations.mutate_json, ("show", SHOP), 700),
    "quarantine": Kind(RUNS, mutations.mutate_json, ("quarantine", SHOP), 200, 8),
    "decision": Kind("store/decisions/*/*.json", mutations.mutate_json, ("champion", "show", SHOP), 600),
    "published": Kind("store/latest/*/*", mutations.mutate_bytes, ("show", SHOP), 200, 6),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a table in each format, pipelines that read them, and the store of two nights."""
    folder = tmp_path_factory.mktemp("fuzz") / "world"
    shutil.copytree(FORMATS / "pipelines", folder / "pipelines")
    shutil.copytree(FORMATS / "night_store", folder / "store")
    shutil.copy(FORMATS / "sales.parquet", folder)
    frame = pd.read_parquet(folder / "sales.parquet")
    for name, write in {"csv": mutations.to_csv, "jsonl": mutations.to_json, "xlsx": mutations.to_excel}.items():
        (folder / f"sales.{name}").write_bytes(write(frame))
    shop = yaml.safe_load((folder / "pipelines/shop.yaml").read_text(encoding="utf-8"))
    shutil.copy(folder / CONTRACT, folder / "contract.yaml")
    for kind, suffix in {"csv": "csv", "parquet": "parquet", "json": "jsonl", "excel": "xlsx"}.items():
        source = {"kind": kind, "path": f"../sales.{suffix}"}
        text = yaml.safe_dump(shop | {"name": kind, "source": source, "contract": "tolerant.yaml"}, sort_keys=False)
        (folder / f"pipelines/{kind}.yaml").write_text(text, encoding="utf-8")
    contract = yaml.safe_load((folder / CONTRACT).read_text(encoding="utf-8"))
    tolerant = [{"property": "rowFaults", "value": "warning"}]  # a bad row goes to quarantine, so later checks run too
    contract["schema"] = [{"name": "sales", "logicalType": "object", "customProperties": tolerant, "properties": []}]
    (folder / "pipelines/tolerant.yaml").write_text(yaml.safe_dump(contract), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        from deployments.commands import check

        patch.setenv("NIGHTCAST_STORE", str(folder / "store"))
        patch.setenv("NIGHTCAST_PIPELINES", str(folder / "pipelines"))
        patch.chdir(folder)
        free = {"read_seconds": 0.0, "training_seconds": [0.0, 0.0], "models": [{"model": "m", "epoch_seconds": 0.0}]}
        patch.setattr(check, "estimate_costs", lambda *_: free)  # it trains for a second
        run_command("check", str(folder / "pipelines/shop.yaml"), "--as-of", "2024-03-01")  # imports take seconds
        yield folder


def run_command(*words: str) -> Ended:
    """Run `nightcast` with these arguments in this process."""
    from deployments.cli.main import app

    streams, begun, wall = io.StringIO(), time.process_time(), time.monotonic()
    code: object = 0
    with contextlib.redirect_stdout(streams), contextlib.redirect_stderr(streams):
        try:
            app(list(words), prog_name="nightcast")
        except SystemExit as ended:
            code = ended.code or 0
    return Ended(code, streams.getvalue(), time.process_time() - begun, time.monotonic() - wall)


def run_input(world: Path, kind: str, number: int) -> Ended:
    """Write the input with this number, run the command of its kind, and put the file back."""
    spec, draw = KINDS[kind], random.Random(f"{kind} {number}")  # noqa: S311 - no secret
    file = draw.choice(sorted(world.glob(spec.file)))
    original = file.read_bytes()
    base = (
        original
        if file.suffix != ".csv" and not spec.file.startswith("sales")
        else (world / "sales.parquet").read_bytes()
    )
    words = [word.format(world=world, name=spec.command[-1]) for word in spec.command]
    words = words[:-1] if spec.command[0] == "check" else words
    if spec.command[0] == "init":
        words = ["init", str(file), "--out", str(world / "written"), "--name", "fuzzed", "--force"]
    try:
        file.write_bytes(spec.mutate(base, draw))
        return run_command(*words)
    finally:
        file.write_bytes(original)
        shutil.rmtree(world / "written", ignore_errors=True)


def defects(ended: Ended) -> list[str]:
    """Return what is wrong with how a command ended."""
    broken = []
    if ended.code not in EXIT_CODES:
        broken.append(f"exit code {ended.code!r}")
    if match := PYTHON_ERROR.search(ended.output):
        broken.append(
            f"a Python error: {match[0]!r} in {ended.output[max(0, match.start() - 300) : match.end() + 300]!r}"
        )
    if ended.code and not re.search(r"error: \S|Error ─|Usage:|breaks readers of", ended.output):
        broken.append(f"no sentence: {ended.output[-300:]!r}")
    if ended.seconds > MAX_SECONDS or ended.wall_seconds > MAX_WALL_SECONDS:
        broken.append(f"{ended.seconds:.1f} s of computing in {ended.wall_seconds:.1f} s")
    if len(ended.output) > 20_000:
        broken.append(f"{len(ended.output):,} characters of output")
    return broken


def run_many(world: Path, kind: str, numbers: range) -> list[str]:
    """Run inputs, and return the defects of each."""
    files = sorted(world.parent.rglob("*"))
    failed = [f"{kind} {number}: {defect}" for number in numbers for defect in defects(run_input(world, kind, number))]
    new = sorted(set(world.parent.rglob("*")) - set(files))
    return failed + [f"{kind}: wrote {path}" for path in new if "store" not in path.parts]


@pytest.mark.parametrize("kind", KINDS)
def test_sample_of_broken_inputs_ends_in_a_sentence(world: Path, kind: str) -> None:
    assert run_many(world, kind, range(KINDS[kind].sample)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_every_broken_input_ends_in_a_sentence(world: Path, kind: str) -> None:
    assert run_many(world, kind, range(KINDS[kind].count)) == []


def rows_without_a_role(manifest: dict[str, Any]) -> None:
    manifest["leaderboard"] = [{"model_name": "gru-8"}]


@pytest.mark.parametrize(("pattern", "change", "words"), [(RUNS, rows_without_a_role, ("show", SHOP))])
def test_input_that_once_ended_in_a_python_error(
    world: Path, pattern: str, change: Callable[[dict[str, Any]], None], words: tuple[str, ...]
) -> None:
    originals = {file: file.read_text(encoding="utf-8") for file in world.glob(pattern)}
    try:
        for file, text in originals.items():
            document = json.loads(text)
            change(document)
            file.write_text(json.dumps(document), encoding="utf-8")
        assert defects(run_command(*(word.format(world=world) for word in words))) == []
    finally:
        for file, text in originals.items():
            file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_unbroken_input_is_accepted(world: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    same: Callable[..., bytes] = lambda data, _: data  # noqa: E731
    monkeypatch.setitem(KINDS, kind, KINDS[kind]._replace(mutate=same) if "/" in KINDS[kind].file else KINDS[kind])
    ended = run_input(world, kind, -1) if "/" in KINDS[kind].file else None
    assert ended is None or (ended.code, defects(ended)) == (0, [])


def test_json_record_of_an_error_names_its_class(world: Path) -> None:
    (world / "pipelines/broken.yaml").write_text("name: [", encoding="utf-8")
    try:
        ended = run_command("check", str(world / "pipelines/broken.yaml"), "--json")
    finally:
        (world / "pipelines/broken.yaml").unlink()
    record: dict[str, Any] = json.loads(ended.output.splitlines()[0])
    assert (record["error"], record["exit_code"], ended.code) == ("SpecError", 2, 2)
