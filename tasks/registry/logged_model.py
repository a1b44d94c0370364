"""The MLflow run of one trained model: parameters, metrics by epoch, the data set, and the files of the model."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from data_contracts.artifact import Artifact
from data_contracts.spec import Spec

if TYPE_CHECKING:  # takes seconds
    from mlflow import MlflowClient

MAX_METRICS_PER_CALL, MAX_PARAMS_PER_CALL = 1000, 100  # MLflow's own limits
MAX_PARAM_CHARACTERS = 6000
MAX_DIGEST_CHARACTERS = 16  # of a data set, as on the morning page; its address has all of them
WEIGHTS_FILE, SETTINGS_FILE = "weights.safetensors", "settings.json"  # the bundle of a version, and its settings


class LoggedModel(Spec):
    """The contents of the MLflow run of one trained model.

    `files` lie next to the weights and make the model loadable. `dataset` is the clean table, at `dataset_source`.
    """

    name: str
    digest: str
    settings: dict[str, str]
    metrics: dict[str, float]
    curve: tuple[float, ...]
    weights: bytes
    settings_json: str
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    drawings: dict[str, bytes] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    description: str = ""
    files: dict[str, bytes] = Field(default_factory=dict)
    dataset: Artifact | None = None
    dataset_source: str = ""

    @property
    def run_name(self) -> str:
        """The name of the run: the model and its night in UTC, since every night trains models of the same names."""
        as_of = self.tags.get("nightcast.as_of")
        return f"{self.name} {datetime.fromisoformat(as_of).astimezone(UTC):%Y-%m-%d %H:%M}" if as_of else self.name


def flatten_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return nested settings as parameters: `model.hidden`, `training.learning_rate`. Lists are JSON.

    Args:
        settings: JSON values by name.

    Returns:
        Parameters by dotted name. A value that is longer than MLflow accepts is split under `name.1`, `name.2`, …
    """
    return dict(_flatten(settings, ""))


def _flatten(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key in sorted(value):
            yield from _flatten(value[key], f"{name}.{key}" if name else str(key))
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    parts = [text[start : start + MAX_PARAM_CHARACTERS] for start in range(0, len(text), MAX_PARAM_CHARACTERS)]
    if len(parts) <= 1:
        yield name, text
        return
    yield from ((f"{name}.{number}", part) for number, part in enumerate(parts, 1))


def log_contents(client: "MlflowClient", run: str, model: LoggedModel, started: int) -> None:
    """Log everything of a model to an MLflow run that exists.

    Args:
        client: The client of the registry.
        run: Id of the run.
        model: What is logged.
        started: Timestamp of the metrics, milliseconds since 1970.
    """
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, started, 0) for name, value in model.metrics.items()]
    for name, curve in {"validation_loss": model.curve, **model.curves}.items():
        metrics += [Metric(name, value, started, epoch) for epoch, value in enumerate(curve, 1)]
    params = [Param(name, value) for name, value in model.settings.items()]
    for start in range(0, len(params), MAX_PARAMS_PER_CALL):
        client.log_batch(run, params=params[start : start + MAX_PARAMS_PER_CALL])
    for start in range(0, len(metrics), MAX_METRICS_PER_CALL):
        client.log_batch(run, metrics=metrics[start : start + MAX_METRICS_PER_CALL])
    if model.dataset:
        _log_dataset(client, run, model.dataset, model.dataset_source)
    settings = model.settings_json.encode()
    log_files(client, run, "model", {WEIGHTS_FILE: model.weights, SETTINGS_FILE: settings} | model.files)
    log_files(client, run, "memory", {f"{name}.svg": drawing for name, drawing in model.drawings.items()})


def log_files(client: "MlflowClient", run: str, folder: str, files: Mapping[str, bytes]) -> None:
    """Log files to a folder of a run."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as temporary:
        for name, data in files.items():
            (Path(temporary) / name).write_bytes(data)
        client.log_artifacts(run, temporary, folder)


def _log_dataset(client: "MlflowClient", run: str, table: Artifact, source: str) -> None:
    """Log which table the model was trained on: name, digest and address, and no value of it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=table.contract.partition("@")[0],
        digest=table.digest[:MAX_DIGEST_CHARACTERS],
        source_type="local" if "://" not in source else source.partition("://")[0],
        source=json.dumps({"uri": source}),
        profile=json.dumps({"rows": table.rows}),
    )
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
