"""`nightcast init`: profile a table, dry-run the drafted pipeline as `nightcast check` does, then write it."""

import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data_contracts.errors import ContractBroken, SpecError
from data_contracts.yaml_reader import mapping, spec_error_from
from deployments.commands.check import describe_check
from deployments.commands.cost_estimate import format_costs
from deployments.commands.init_files import render_contract, render_pipeline
from deployments.commands.init_request import InitRequest, already_exists, pipeline_name_from, refuse_existing
from deployments.commands.schema import SCHEMA
from flows.pipeline.files import ROOT
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from models.data.windows import HistoryTooShort
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference
from tasks.profiling.open_source import explain_source, infer_source, read_sample
from tasks.profiling.profile import TableProfile, profile_table
from tasks.sources.spec import SQLITE_URL, SourceSpec
from tasks.storage import files


def init_pipeline(request: InitRequest, hints: Hints) -> tuple[dict[str, Any], str]:
    """Write NAME.yaml and NAME.odcs.yaml.

    Args:
        request: the table, and where to write.
        hints: what the user states instead of an inference.

    Returns:
        The facts for `--json`, and the text.

    Raises:
        SpecError: a file exists already, or an option does not fit the table.
        CannotInferPipeline: no pipeline can be inferred from the table.
    """
    requested_source = infer_source(request.address, request.table)
    name = request.name or pipeline_name_from(requested_source.table or requested_source.path)
    folder = Path(request.folder)
    targets = refuse_existing(request, name)
    requested_source = requested_source.permit_private_addresses(Settings().allow_private_sources)
    source, sample = read_sample(requested_source, hints)
    profile = profile_table(sample, source, hints)
    explained = (*explain_source(source, sample, hints), *profile.inferences)
    profile = profile.model_copy(update={"inferences": explained})
    path_from_folder = _address_from(source, folder)
    texts = (
        render_pipeline(profile, name, path_from_folder, _schema_path_from(folder)),
        render_contract(profile, name, path_from_folder),
    )
    check = _dry_run(texts, name, profile)
    for path, text in zip(targets, texts, strict=True):
        if not files.write(str(folder), path.name, text.encode(), only_if_absent=not request.overwrite):
            raise SpecError(already_exists(path))
    inferences = _with_closed_times(profile.inferences, check)
    facts = {
        "pipeline": name,
        "files": [str(path) for path in targets],
        "rows": profile.rows,
        "guesses": {
            inference.what: {"value": inference.value, "sure": inference.confidence, "why": inference.evidence}
            for inference in inferences
        },
        "warnings": check["warnings"],
        "notes": check["notes"],
        "windows": check["windows"],
        "cost": check["cost"],
        "next": f"nightcast nightly {_shell_quoted(targets[0])}",
    }
    return facts, _format(facts, profile, inferences)


def parse_hints(options: dict[str, Any]) -> Hints:
    """Validate the options that replace an inference. Raises SpecError with the name of the wrong option."""
    try:
        return Hints.model_validate(options)
    except ValidationError as error:
        raise spec_error_from("the command line", error) from error


def _dry_run(texts: tuple[str, str], name: str, profile: TableProfile) -> dict[str, Any]:
    """Return the facts of `nightcast check` on the draft. Raises CannotInferPipeline if the draft cannot run."""
    with tempfile.TemporaryDirectory(prefix="nightcast-") as scratch:
        contract = Path(scratch) / f"{name}.odcs.yaml"
        contract.write_text(texts[1], encoding="utf-8")
        try:
            parsed = PipelineSpec.model_validate(mapping(texts[0], "the draft"))
        except ValidationError as error:
            raise spec_error_from("the draft", error) from error
        draft = parsed.model_copy(update={"contract": str(contract), "source": profile.source})
        try:
            return describe_check(draft, None, timed=True)
        except HistoryTooShort as error:
            message = str(error).replace("windowing.horizon, validation or test", "it with --horizon")
            raise CannotInferPipeline(f"{profile.source.label} is too short: {message}") from error
        except ContractBroken as error:
            raise CannotInferPipeline(
                f"cannot make a pipeline of {profile.source.label}: {'; '.join(error.findings)}"
            ) from error


def _address_from(source: SourceSpec, folder: Path) -> str:
    """Return the table's address as seen from the YAML's folder: relative local paths change with the folder."""
    if source.kind == "sql":
        local = SQLITE_URL.fullmatch(source.url)
        return f"{local[1]}{_path_from(local[2], folder)}{local[3]}" if local else source.url
    return source.path if "://" in source.path else _path_from(source.path, folder)


def _path_from(path: str, folder: Path) -> str:
    return path if Path(path).is_absolute() else Path(os.path.relpath(path, folder)).as_posix()


def _schema_path_from(folder: Path) -> str | None:
    """Return the JSON schema's path as seen from `folder` if both are in one checkout, because only there it lasts."""
    absolute = folder.resolve()
    in_checkout = (ROOT / "pyproject.toml").exists() and absolute.is_relative_to(ROOT)
    return Path(os.path.relpath(SCHEMA, absolute)).as_posix() if in_checkout else None


def _shell_quoted(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if " " in text else text


def _with_closed_times(inferences: tuple[Inference, ...], check: dict[str, Any]) -> tuple[Inference, ...]:
    """Add the closed times of the dry run, whose steps do not count as gaps."""
    closed = check["closed"]
    if not closed:
        return inferences
    evidence = "never has a row; if it is open, write cleaning: {closed: []}"
    others = [
        inference._replace(value=f"{check['gaps']:,}", evidence="steps at open times have no row")
        if inference.what == "gaps"
        else inference
        for inference in inferences
        if inference.what != "gaps" or check["gaps"]
    ]
    return (*others, Inference("closed", ", ".join(closed), "likely", evidence))


def _format(facts: dict[str, Any], profile: TableProfile, inferences: tuple[Inference, ...]) -> str:
    lines = [f"Inferred from {profile.source.label}, {profile.rows:,} rows:"]
    lines += [f"  {inference.line}" for inference in inferences]
    lines += [f"note: {note}" for note in facts["notes"]]
    lines += [f"warning: {warning}" for warning in facts["warnings"]]
    windows = facts["windows"]
    lines += [
        f"Checked as by `nightcast check`: {windows['train']:,} training windows, {windows['test']:,} test windows.",
        format_costs(facts["cost"]),
        f"Written: {', '.join(facts['files'])}",
        f"Next: {facts['next']}",
    ]
    return "\n".join(lines)
