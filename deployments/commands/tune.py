"""`nightcast tune`: print the search, and write a pipeline YAML if the search found a better configuration."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table

from data_contracts.errors import SpecError
from data_contracts.regular_files import describe_obstacle
from data_contracts.yaml_editor import rewrite_yaml
from data_contracts.yaml_reader import mapping, read_document
from deployments.commands.run_flow import call_flow
from deployments.commands.show import leaderboard_table
from flows.pipeline.files import find_pipeline
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from flows.tune import tune
from tasks.search.conclusion import TuningOutcome
from tasks.search.search import SearchBudget
from tasks.storage import files
from tasks.storage.store import Store

HEADER_START = "# Found by `nightcast tune`"


def write_tuned_pipeline(
    pipeline: str, as_of: str | None, budget: SearchBudget, out: str | None, server: bool = True
) -> tuple[dict[str, Any], str]:
    """Search, then compare the best configuration on the test windows.

    Args:
        pipeline: name or path of the pipeline.
        as_of: only data before this instant are used.
        budget: trials, minutes and seed of the search.
        out: file for the best configuration, written in any case; if None, NAME-tuned.yaml next to the pipeline,
            written only if the configuration is better.
        server: record the search on a Prefect server.

    Returns:
        The facts for `--json`, and the text.

    Raises:
        SpecError: the file cannot be written; raised before the search starts.
    """
    settings = Settings()
    spec, path = PipelineSpec.read(pipeline, settings.pipelines), find_pipeline(pipeline, settings.pipelines)
    target = Path(out) if out else path.with_name(f"{path.stem}-tuned.yaml")
    _check_target(target, overwrite=out is not None)
    settings.opened_store.check_writable()  # before Prefect starts, so that a read-only store is reported at once
    outcome = call_flow(tune, {"pipeline": pipeline, "as_of": as_of, "effort": budget}, server)
    written = outcome.better or (out is not None and outcome.found)
    if written:
        text = tuned_document(path, target, spec, outcome)
        PipelineSpec.model_validate(mapping(text, str(target)))
        files.write(str(target.parent), target.name, text.encode())
    facts = outcome.model_dump(mode="json") | {"written": str(target) if written else None}
    ending = f" · written {target}" if written else ""
    return facts, "\n".join(
        (trials_table(outcome, settings.opened_store), leaderboard_table(facts), "", outcome.sentence + ending)
    )


def _check_target(target: Path, overwrite: bool) -> None:
    """Raise SpecError before the search if its result could not be written."""
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise SpecError(f"{target.parent} is not a writable folder. Give another file with --out FILE.")
    if target.is_dir() or describe_obstacle(target) or target.suffix not in (".yaml", ".yml"):
        raise SpecError(f"{target} is not the name of a YAML file. Give a name that ends with .yaml with --out FILE.")
    if target.exists() and not overwrite and not target.read_text(encoding="utf-8").startswith(HEADER_START):
        raise SpecError(
            f"{target} exists and was not written by `nightcast tune`. Move it, or give another file with --out FILE."
        )


def tuned_document(path: Path, target: Path, spec: PipelineSpec, outcome: TuningOutcome) -> str:
    """Return the user's pipeline YAML with what was searched, and a header that says where the values come from."""
    current = read_document(path)
    searched = {name.split(".", 1)[1] for name in outcome.settings if name.startswith("model.")}
    defaults = type(outcome.recipe.model).model_fields
    model = {
        name: value
        for name, value in outcome.recipe.model.model_dump(mode="json").items()
        if name in searched or value != defaults[name].default
    }
    before = spec.training.model_dump(mode="json")
    training = {
        name: value for name, value in outcome.recipe.training.model_dump(mode="json").items() if value != before[name]
    }
    changes: dict[str, Any] = {"models": [model]}
    if training:
        changes["training"] = {**(current.get("training") or {}), **training}
    if (lookback := outcome.recipe.view.lookback) != spec.input_spec.lookback:
        changes["windowing"] = {**current["windowing"], "lookback": lookback}
    paths: dict[str, Any] = {
        "source": {**current["source"], "path": _path_from_target(current["source"]["path"], path, target)}
    }
    paths |= {"contract": _path_from_target(current["contract"], path, target)} if current.get("contract") else {}
    changes |= {field: value for field, value in paths.items() if value != current[field]}
    text = path.read_text(encoding="utf-8")
    replaced = ("models", "training", *(["windowing.lookback"] if "windowing" in changes else []))
    return _header(outcome, path, replaced) + rewrite_yaml(_without_header(text), changes, str(path))


def _path_from_target(address: str, path: Path, target: Path) -> str:
    """Rewrite a path that is relative to the pipeline's folder; return any other path or URL unchanged."""
    absolute = path.parent / address
    same_folder = target.parent.resolve() == path.parent.resolve()
    if same_folder or "://" in address or Path(address).is_absolute() or not absolute.exists():
        return address
    return os.path.relpath(absolute.resolve(), target.parent.resolve())


def _header(outcome: TuningOutcome, path: Path, replaced: Sequence[str]) -> str:
    current = next(
        (row for row in outcome.leaderboard if row["role"] == "challenger" and "(tuned)" not in row["model_name"]), None
    )
    tuned = next(row for row in outcome.leaderboard if "(tuned)" in row["model_name"])
    scores_before = [outcome.validation.get("own"), current[outcome.metric] if current else None]
    scores = [outcome.validation["best"], tuned[outcome.metric]]
    validation, test = (
        f"{score:.4g} (before: {'–' if before is None else f'{before:.4g}'})"
        for score, before in zip(scores, scores_before, strict=True)
    )
    p_value = "" if outcome.p_value is None else f", p = {outcome.p_value:.3f}"
    return (
        f"{HEADER_START} in {path.name} with --as-of {outcome.as_of.isoformat()} --trials {outcome.asked} "
        f"--seed {outcome.seed}.\n"
        f"# It replaced {', '.join(replaced[:-1])} and {replaced[-1]}; everything else is as before.\n"
        f"# {outcome.metric} on the validation windows, which chose the configuration: {validation}\n"
        f"# {outcome.metric} on the test windows, which the search did not use: {test}{p_value}"
        f"{'' if outcome.better else ': not found to be better'}\n\n"
    )


def _without_header(text: str) -> str:
    lines = text.splitlines()
    if text.startswith(HEADER_START):
        lines = lines[next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines)) :]
    return "\n".join(lines).lstrip("\n") + "\n"


def trials_table(outcome: TuningOutcome, store: Store) -> str:
    """Return all trials as a text table, in the order in which they ran."""
    table = Table(title=f"Trials on {outcome.pipeline}, {outcome.metric} on the validation windows")
    for name in ("#", "model", "settings", outcome.metric, "epochs", "state", "seconds"):
        justify: JustifyMethod = "left" if name in ("model", "settings", "state") else "right"
        table.add_column(name, justify=justify, no_wrap=name not in ("model", "settings"), overflow="fold")
    frame = store.get(outcome.trials)
    best = frame["loss"].idxmin()
    for row in frame.itertuples():
        settings = [
            f"{name.split('.')[1]} {value if isinstance(value, str) else f'{value:g}'}"
            for name, value in json.loads(row.settings).items()
            if not name.startswith("model.")
        ]
        loss = "–" if row.loss != row.loss else f"{row.loss:.4f}"
        cells = (row.number, row.name, ", ".join(settings), loss, row.epochs, row.state, f"{row.seconds:.1f}")
        table.add_row(*map(str, cells), style="bold" if row.Index == best else None)
    out = io.StringIO()
    Console(file=out, width=140, force_terminal=False).print(table)
    return out.getvalue().rstrip()
