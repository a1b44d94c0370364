"""Steps, one per file, on shared packages: the only package that does I/O."""

import logging
import os

# The libraries of this package read these variables once, at import: no telemetry, no pickles, retries that cost
# seconds if MLflow is down (its defaults: four minutes), and CUDA sums in a fixed order. A value that the user has set
# wins, except for the pickles.
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
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # in a notebook, steps run outside of a flow
}.items():
    os.environ.setdefault(name, value)

logging.getLogger("nightcast").setLevel(logging.INFO)  # handlers such as the Prefect UI receive every step
