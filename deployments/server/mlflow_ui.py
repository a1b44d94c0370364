"""The MLflow UI of `nightcast up`, on the registry that the nights write to.

`python -m deployments.server.mlflow_ui PORT`. It has one worker process: enough for one machine, and a quarter of the
memory of MLflow's default.
"""

import os
import sys
from importlib.metadata import entry_points

from deployments.process_environment import child_environment
from flows.settings import Settings
from tasks.registry.mlflow_registry import ModelRegistry

APP = "nightcast"  # mlflow_app.py, by its entry point


def main(port: int) -> None:
    """Create or migrate the registry's database, then replace this process by MLflow's server on `port`."""
    tracking = Settings().tracking
    ModelRegistry(tracking, "any").locate_artifacts()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.uri]
    command += ["--default-artifact-root", tracking.artifacts] if tracking.artifacts else []
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    command += ["--app-name", APP] if entry_points(group="mlflow.app", name=APP) else []  # older installations lack it
    environment = child_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    os.execve(sys.executable, command, environment)  # noqa: S606 - this Python, without a shell


if __name__ == "__main__":
    main(int(sys.argv[1]))
