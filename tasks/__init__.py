"""One file a step, and the only room that does I/O; files that start with _ are plumbing."""

import logging
import os

# Set before the libraries of this room are imported, because they read these once: no telemetry, no pickles,
# an MLflow that is down costs seconds, not the four minutes of its defaults, and CUDA adds in one order. A user's
# own value wins, except for the pickles.
os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
for name, value in {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "nightcast",
}.items():
    os.environ.setdefault(name, value)

logging.getLogger("nightcast").setLevel(logging.INFO)  # so that handlers such as the Prefect UI receive every step
