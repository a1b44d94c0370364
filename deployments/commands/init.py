"""What `nightcast init` does: look at a table, guess, prove the draft as `nightcast check` would, then write it."""

import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_contracts.errors import ContractBroken, SpecError
from data_contracts.yaml_reader import mapping, spec_error_from
from deployments.commands.check import describe_check
from deployments.commands.cost_estimate import format_costs
from deployments.commands.init_files import contract_text, name_of, pipeline_text
from deployments.commands.schema import SCHEMA
from flows.pipeline.files import ROOT
from flows.pipeline.spec import PipelineSpec
from models.data.windows import HistoryTooShort
from tasks.profiling.inference import CannotInferPipeline, Hints
from tasks.profiling.open_source import infer_source, read_sample
from tasks.profiling.profile import TableProfile, profile_table
from tasks.sources.spec import SQLITE_FILE, SourceSpec
from tasks.storage import files


def init_pipeline(
    where: tuple[str, str | None], place: tuple[str, str | None], hints: Hints, force: bool
) -> tuple[dict[str, Any], str]:
    """(facts, the same as text); writes NAME.yaml and NAME.odcs.yaml. Raises SpecError, Unguessable.

    `where` is an address and, for a database, its table; `place` is a folder and, if a person has one, a name.
    """
    asked, (folder, name) = infer_source(*where), place
    name = name or name_of(asked.table or asked.path)
    out = Path(folder)
    targets = (out / f"{name}.yaml", out / f"{name}.odcs.yaml")
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        raise SpecError(f"{there[0]} is there already, and is left as it is. Choose another --name, or --force it.")
    source, table = read_sample(asked)
    found = profile_table(table, source, hints)
    path = _beside(source, out)
    texts = (pipeline_text(found, name, path, _way_to_schema(out)), contract_text(found, name, path))
    facts = _dry_run(texts, name, found)
    for target, text in zip(targets, texts, strict=True):
        if not files.write(str(out), target.name, text.encode(), only_if_absent=not force):
            raise SpecError(f"{target} is there already, and is left as it is. Choose another --name, or --force it.")
    told = {
        "pipeline": name,
        "files": [str(target) for target in targets],
        "rows": found.rows,
        "guesses": {
            one.what: {"value": one.value, "sure": one.confidence, "why": one.evidence} for one in found.findings
        },
        "warnings": facts["warnings"],
        "windows": facts["windows"],
        "cost": facts["cost"],
        "next": f"nightcast nightly {_quoted(targets[0])}",
    }
    return told, _told(told, found)


def parse_hints(told: dict[str, Any]) -> Hints:
    """What was said on the command line. Raises SpecError with the option that is wrong."""
    try:
        return Hints.model_validate(told)
    except ValidationError as error:
        raise spec_error_from("the command line", error) from error


def _dry_run(texts: tuple[str, str], name: str, found: TableProfile) -> dict[str, Any]:
    """What `nightcast check` would find. Raises Unguessable for a table that is too short."""
    with tempfile.TemporaryDirectory(prefix="nightcast-") as scratch:
        contract = Path(scratch) / f"{name}.odcs.yaml"
        contract.write_text(texts[1], encoding="utf-8")
        try:
            drafted = PipelineSpec.model_validate(mapping(texts[0], "the draft"))
        except ValidationError as error:
            raise spec_error_from("the draft", error) from error
        draft = drafted.model_copy(update={"contract": str(contract), "source": found.source})
        try:
            return describe_check(draft, None, timed=True)
        except HistoryTooShort as short:
            told = str(short).replace("windowing.horizon, validation or test", "it with --horizon")
            raise CannotInferPipeline(f"{found.source.shown} is too short: {told}") from short
        except ContractBroken as broken:
            raise CannotInferPipeline(
                f"no pipeline can be made of {found.source.shown}: {'; '.join(broken.findings)}"
            ) from broken


def _beside(source: SourceSpec, out: Path) -> str:
    """The address as the YAML's folder sees it: a local path that was given from here is another from there."""
    if source.kind == "sql":
        local = SQLITE_FILE.fullmatch(source.url)
        return f"{local[1]}{_from(local[2], out)}{local[3]}" if local else source.url
    return source.path if "://" in source.path else _from(source.path, out)


def _from(path: str, out: Path) -> str:
    return path if Path(path).is_absolute() else Path(os.path.relpath(path, out)).as_posix()


def _way_to_schema(out: Path) -> str | None:
    """The JSON schema as seen from `out`, where both lie in one checkout: elsewhere the way would soon be wrong."""
    here = out.resolve()
    inside = (ROOT / "pyproject.toml").exists() and here.is_relative_to(ROOT)
    return Path(os.path.relpath(SCHEMA, here)).as_posix() if inside else None


def _quoted(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if " " in text else text


def _told(facts: dict[str, Any], found: TableProfile) -> str:
    lines = [f"Guessed from {found.source.shown}, {found.rows:,} rows:"]
    lines += [f"  {one.line}" for one in found.findings]
    lines += [f"warning: {warning}" for warning in facts["warnings"]]
    count = facts["windows"]
    lines += [
        f"Proven as `nightcast check` does: {count['train']:,} windows to train on, {count['test']:,} to judge by.",
        format_costs(facts["cost"]),
        f"Written: {', '.join(facts['files'])}",
        f"Next: {facts['next']}",
    ]
    return "\n".join(lines)
