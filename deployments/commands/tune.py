"""What `nightcast tune` prints, and the pipeline YAML that it leaves where the search found something better."""

import io
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data_contracts.errors import SpecError
from data_contracts.yaml_editor import rewrite_yaml
from data_contracts.yaml_reader import mapping, read_document
from deployments.commands.show import leaderboard_table
from flows.pipeline.files import find_pipeline
from flows.pipeline.spec import PipelineSpec
from flows.settings import Settings
from flows.tune import tune
from tasks.search.conclusion import TuningOutcome
from tasks.search.search import SearchBudget
from tasks.storage import files
from tasks.storage.store import Store

MARK = "# Found by `nightcast tune`"


def write_tuned_pipeline(
    pipeline: str, as_of: str | None, effort: SearchBudget, out: str | None
) -> tuple[dict[str, Any], str]:
    """(facts, the same as text). Without `out` a YAML is left beside the pipeline's, and only if it is better."""
    settings = Settings()
    spec, path = PipelineSpec.read(pipeline, settings.pipelines), find_pipeline(pipeline, settings.pipelines)
    target = Path(out) if out else path.with_name(f"{path.stem}-tuned.yaml")
    _free(target, overwrite=out is not None)
    settings.opened_store.check_writable()  # before Prefect is started: a store that refuses is said at once
    told = tune(pipeline, as_of, effort)
    written = told.better or (out is not None and told.found)
    if written:
        text = document(path, target, spec, told)
        PipelineSpec.model_validate(mapping(text, str(target)))
        files.write(str(target.parent), target.name, text.encode())
    record = told.model_dump(mode="json") | {"written": str(target) if written else None}
    ending = f" · written {target}" if written else ""
    return record, "\n".join(
        (trials(told, settings.opened_store), leaderboard_table(record), "", told.sentence + ending)
    )


def _free(target: Path, overwrite: bool) -> None:
    """Say before the search, and not after it, that its finding can't be written."""
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise SpecError(f"{target.parent} is no folder that can be written to; give another place by --out FILE.")
    if target.is_dir() or target.suffix not in (".yaml", ".yml"):
        raise SpecError(f"{target} is no name of a YAML; give one that ends with .yaml by --out FILE.")
    if target.exists() and not overwrite and not target.read_text(encoding="utf-8").startswith(MARK):
        raise SpecError(f"{target} is there and not by `nightcast tune`; move it, or give another place by --out FILE.")


def document(path: Path, target: Path, spec: PipelineSpec, told: TuningOutcome) -> str:
    """The user's pipeline with the models and the training that were found, told where they come from."""
    now = read_document(path)
    named = {name.split(".", 1)[1] for name in told.settings if name.startswith("model.")}
    usual = type(told.recipe.model).model_fields
    model = {
        name: value
        for name, value in told.recipe.model.model_dump(mode="json").items()
        if name in named or value != usual[name].default
    }
    before = spec.training.model_dump(mode="json")
    training = {n: v for n, v in told.recipe.training.model_dump(mode="json").items() if v != before[n]}
    changes: dict[str, Any] = {"models": [model]}
    if training:
        changes["training"] = {**(now.get("training") or {}), **training}
    moved: dict[str, Any] = {"source": {**now["source"], "path": _moved(now["source"]["path"], path, target)}}
    moved |= {"contract": _moved(now["contract"], path, target)} if now.get("contract") else {}
    changes |= {field: value for field, value in moved.items() if value != now[field]}
    text = path.read_text(encoding="utf-8")
    return _header(told, path) + rewrite_yaml(_without_header(text), changes, str(path))


def _moved(place: str, path: Path, target: Path) -> str:
    """A path beside the pipeline, told from the new place; one that is found from elsewhere stays as it is."""
    beside = path.parent / place
    same = target.parent.resolve() == path.parent.resolve()
    if same or "://" in place or Path(place).is_absolute() or not beside.exists():
        return place
    return os.path.relpath(beside.resolve(), target.parent.resolve())


def _header(told: TuningOutcome, path: Path) -> str:
    now = next(
        (row for row in told.leaderboard if row["role"] == "challenger" and "(tuned)" not in row["model_name"]), None
    )
    ours = next(row for row in told.leaderboard if "(tuned)" in row["model_name"])
    scores = [told.validation.get("own"), now[told.metric] if now else None]
    found = [told.validation["best"], ours[told.metric]]
    validation, test = (
        f"{f:.4g} (before: {'–' if b is None else f'{b:.4g}'})" for f, b in zip(found, scores, strict=True)
    )
    sure = "" if told.p_value is None else f", p = {told.p_value:.3f}"
    return (
        f"{MARK} in {path.name} with --as-of {told.as_of.isoformat()} --trials {told.asked} --seed {told.seed}.\n"
        f"# It replaced models and training; all else is as it was written.\n"
        f"# {told.metric} on the validation windows, by which it was chosen: {validation}\n"
        f"# {told.metric} on the test windows, which the search never saw: {test}{sure}"
        f"{'' if told.better else ': not found to be better'}\n\n"
    )


def _without_header(text: str) -> str:
    lines = text.splitlines()
    if text.startswith(MARK):
        lines = lines[next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines)) :]
    return "\n".join(lines).lstrip("\n") + "\n"


def trials(told: TuningOutcome, store: Store) -> str:
    """Every trial as a table, in the order in which they were tried."""
    table = Table(title=f"Trials on {told.pipeline}, {told.metric} on the validation windows")
    for name in ("#", "model", "training", told.metric, "epochs", "state", "seconds"):
        table.add_column(name, justify="left" if name in ("model", "training", "state") else "right", no_wrap=True)
    frame = store.get(told.trials)
    best = frame["loss"].idxmin()
    for row in frame.itertuples():
        training = [
            f"{name.removeprefix('training.')} {value:g}"
            for name, value in json.loads(row.settings).items()
            if name.startswith("training.")
        ]
        loss = "–" if row.loss != row.loss else f"{row.loss:.4f}"
        cells = (row.number, row.name, ", ".join(training), loss, row.epochs, row.state, f"{row.seconds:.1f}")
        table.add_row(*map(str, cells), style="bold" if row.Index == best else None)
    out = io.StringIO()
    Console(file=out, width=140, force_terminal=False).print(table)
    return out.getvalue().rstrip()
