"""Make a version loadable that an earlier release registered: it has weights and settings, and no MLmodel."""

import logging

from data_contracts.errors import NightcastError
from models.bundle import Bundle
from tasks.modeling.candidate import Candidate
from tasks.registry.logged_model import log_files
from tasks.registry.mlflow_registry import ModelRegistry
from tasks.registry.model_files import MODEL_FILE, ServingSettings, build_model_files
from tasks.storage.store import Store

log = logging.getLogger("nightcast")


def complete_version(registry: ModelRegistry, candidate: Candidate, serving: ServingSettings, store: Store) -> bool:
    """Add the files with which MLflow loads a version, if the version has none.

    Args:
        registry: The registry of the pipeline.
        candidate: The model with its version.
        serving: What a forecast needs besides the bundle.
        store: The store with the bundle.

    Returns:
        Whether files were added.
    """
    from mlflow.exceptions import MlflowException

    registry.locate_artifacts()
    try:
        run = registry.client.get_model_version(registry.pipeline, candidate.version).run_id
        if any(file.path.endswith(MODEL_FILE) for file in registry.client.list_artifacts(run, "model")):
            return False
        bundle = Bundle.from_bytes(store.get_bytes(candidate.bundle))
    except (MlflowException, NightcastError):  # the registry has lost the version, or the bundle is damaged
        return False
    log_files(registry.client, run, "model", build_model_files(bundle, candidate.bundle.digest, serving))
    log.info("version %s of %s can now be loaded with mlflow.pyfunc.load_model", candidate.version, registry.pipeline)
    return True
