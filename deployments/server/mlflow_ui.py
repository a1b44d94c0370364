"""The MLflow UI of `nightcast up`, over the registry that the nights write to.

`python -m deployments.server.mlflow_ui PORT`. One worker process is plenty for one machine, and a quarter of the memory.
"""

import os
import sys

from deployments.process_environment import environment
from flows.settings import Settings
from tasks.registry.mlflow_registry import ModelRegistry


def main(port: int) -> None:
    """Make the registry's database whole, then become MLflow's own server."""
    tracking = Settings().tracking
    ModelRegistry(tracking, "any")
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.uri]
    words += ["--default-artifact-root", tracking.artifacts] if tracking.artifacts else []
    words += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    told = environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    os.execve(sys.executable, words, told)  # noqa: S606 - our own interpreter, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]))
