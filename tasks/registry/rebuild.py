"""Build the registry of a pipeline again from the bundles in the store, with the version numbers of its decisions.

MLflow numbers versions in the order in which they are created. A number that no decision names is created and deleted,
so that the next model gets a new number.
"""

from pydantic import ValidationError

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from tasks.modeling.candidate import Candidate
from tasks.registry.inspection import next_version, read_registry
from tasks.registry.mlflow_registry import ModelRegistry, TrackingSettings
from tasks.registry.model_files import ServingSettings
from tasks.registry.version_contents import VersionOrigin, build_logged_model
from tasks.storage.layout import decisions_dir, parse_vintage
from tasks.storage.store import Store


def decided_models(pipeline: str, store: Store) -> dict[int, tuple[Candidate, str]]:
    """Return every model that a decision names, with the run id of that decision, by version.

    If two models have one number, because an earlier registry was lost, it is that of the newest decision.
    """
    models: dict[int, tuple[Candidate, str]] = {}
    uris = [uri for uri in store.list_files(decisions_dir(pipeline)) if parse_vintage(uri)]
    for uri in uris:
        record = store.read_json(uri) or {}
        for content in filter(None, (record.get("previous"), record.get("champion"))):
            try:
                candidate = Candidate.model_validate(content)
            except ValidationError:  # damaged: fsck reports the record
                continue
            known = models.get(_number(candidate))
            is_same = known is not None and known[0].bundle.digest == candidate.bundle.digest
            if _number(candidate) and not is_same:
                models[_number(candidate)] = (candidate, str(record.get("run_id")))
    return models


def unrestorable_versions(tracking: TrackingSettings, pipeline: str, store: Store) -> list[str]:
    """Return the decided versions that the registry lacks and whose numbers it has passed."""
    known = read_registry(tracking, pipeline).versions
    numbers = sorted(number for number in decided_models(pipeline, store) if str(number) not in known)
    return [str(number) for number in numbers if number < next_version(tracking, pipeline)]


def restore_versions(tracking: TrackingSettings, pipeline: str, store: Store) -> tuple[str, ...]:
    """Register every decided model that the registry lacks and whose number is still free, at that number.

    Args:
        tracking: Where MLflow is: a SQLite database, which is created if it does not exist.
        pipeline: Name of the pipeline.
        store: The store with decisions and bundles.

    Returns:
        Labels of the models whose bundle is damaged, so that they were not registered.
    """
    models, following = decided_models(pipeline, store), next_version(tracking, pipeline)
    registry, lost = ModelRegistry(tracking, pipeline), []
    for number in range(following, max(models, default=0) + 1):
        candidate, run_id = models.get(number, (None, ""))
        if candidate is None:
            registry.skip_version()
        elif not _register(registry, candidate, run_id, store):
            lost.append(candidate.label)
            registry.skip_version()
    return tuple(lost)


def _register(registry: ModelRegistry, candidate: Candidate, run_id: str, store: Store) -> bool:
    try:
        data = store.get_bytes(candidate.bundle)
        Bundle.from_bytes(data)
    except NightcastError:
        return False
    origin = VersionOrigin(pipeline=registry.pipeline, run_id=run_id)
    model = build_logged_model(candidate.name, candidate.bundle, data, origin, ServingSettings())
    run = registry.log_model(model, run_id)
    version = registry.register_version(candidate.bundle.digest, run, run_id, model.description, model.tags)
    return version == candidate.version


def _number(candidate: Candidate) -> int:
    return int(candidate.version) if candidate.version.isdecimal() else 0
