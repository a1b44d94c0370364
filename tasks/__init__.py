"""The steps, one per file, and the packages that they share. The only package with I/O."""

import logging
import os

# The libraries read these once, so they are set before the first import: no telemetry, no pickles, short timeouts
# (with its defaults, MLflow waits four minutes for a server that is down), and CUDA adds in a fixed order. Values that
# the user has set win, except for the pickles.
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

logging.getLogger("nightcast").setLevel(logging.INFO)  # handlers such as the Prefect UI receive every step
