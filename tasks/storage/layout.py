"""Where every file of the store lies: one function per path, relative to the root of the store.

artifacts/<contract>/<digest>.parquet                  immutable, named by content
quarantine/pipeline=<name>/<digest>.parquet            rejected rows, named by content
cache/<step>/<key>.json                                results of steps
forecasts|actuals|accuracy|anomalies/pipeline=<name>/vintage=<as-of>/<the same word>.parquet
latest/pipeline=<name>/forecasts.parquet               the newest published forecast
latest/pipeline=<name>/history.parquet                 the clean table that it was made from
latest/pipeline=<name>/errors.parquet                  the errors of the champion, for scores of new observations
changes/pipeline=<name>.md                             levels, columns and series that changed, by vintage
decisions|snapshots|contracts/pipeline=<name>/vintage=<as-of>.json
retracted/pipeline=<name>/vintage=<as-of>.json         who retracted a published forecast, when and why
reports/pipeline=<name>/<run>/index.html               the morning page; drift.html, drift.json, forecast.svg
reports/assets/<digest>.js                             what the drift pages of all runs share, named by content
runs/pipeline=<name>/<run>.json                        manifest of a run
leases/pipeline=<name>/<number>.json                   who may write; .door is the lock file
dry-runs/pipeline=<name>/vintage=<as-of>/…             the same tree again, as a dry run leaves it
mlflow/                                                the registry's database and files, if no server is set
retention/pipeline=<name>.json                         up to which night `nightcast gc` has collected tables and pages
lost+found/<path>                                      damaged files that `nightcast fsck --repair` has moved away
"""

import contextlib
from datetime import UTC, datetime

REPORTS_PREFIX = "reports/"
CONTENT_ADDRESSED = ("artifacts/", "cache/", "quarantine/", ".")  # two writers of one path write the same bytes
MLFLOW_DIR = "mlflow"
LOST_DIR = "lost+found"
VINTAGE_FORMAT = "%Y-%m-%dT%H%M%SZ"


def vintage_name(as_of: datetime) -> str:
    """Format an as-of as a folder name that sorts as text, such as 2013-11-30T050000Z."""
    return as_of.astimezone(UTC).strftime(VINTAGE_FORMAT)


def parse_vintage(uri: str) -> datetime | None:
    """Return the as-of in the path of a published file or a record; None if the path has no valid vintage."""
    for part in uri.split("/"):
        if part.startswith("vintage="):
            stamp = part.removeprefix("vintage=").removesuffix(".json")
            with contextlib.suppress(ValueError):  # a folder that a user made
                return datetime.strptime(stamp, VINTAGE_FORMAT).replace(tzinfo=UTC)
    return None


def artifacts_dir(contract: str) -> str:
    """Return the folder of all tables or files of one contract or kind."""
    return f"artifacts/{contract}"


def quarantine_dir(pipeline: str) -> str:
    """Return the folder of the rejected rows of a pipeline."""
    return f"quarantine/pipeline={pipeline}"


def cache_uri(step: str, key: str) -> str:
    """Return the path of one cached result of a step."""
    return f"cache/{step}/{key}.json"


def forecasts_dir(pipeline: str) -> str:
    """Return the folder of all published vintages of a pipeline."""
    return f"forecasts/pipeline={pipeline}"


def vintage_uri(table: str, pipeline: str, as_of: datetime) -> str:
    """Return the path of the `table` published as of one night: forecasts, actuals, accuracy or anomalies."""
    return f"{table}/pipeline={pipeline}/vintage={vintage_name(as_of)}/{table}.parquet"


def latest_dir(pipeline: str) -> str:
    """Return the folder of the newest published forecast."""
    return f"latest/pipeline={pipeline}"


def latest_uri(pipeline: str) -> str:
    """Return the stable path of the newest published forecast."""
    return f"{latest_dir(pipeline)}/forecasts.parquet"


def latest_history_uri(pipeline: str) -> str:
    """Return the stable path of the clean table that the newest published forecast was made from."""
    return f"{latest_dir(pipeline)}/history.parquet"


def latest_errors_uri(pipeline: str) -> str:
    """Return the stable path of the errors of the champion."""
    return f"{latest_dir(pipeline)}/errors.parquet"


def changes_uri(pipeline: str) -> str:
    """Return the path of the record of what changed from vintage to vintage."""
    return f"changes/pipeline={pipeline}.md"


def decisions_dir(pipeline: str) -> str:
    """Return the folder of the promotion decisions of a pipeline."""
    return f"decisions/pipeline={pipeline}"


def snapshots_dir(pipeline: str) -> str:
    """Return the folder of the records of what each night read."""
    return f"snapshots/pipeline={pipeline}"


def contracts_dir(pipeline: str) -> str:
    """Return the folder of the contracts that a pipeline ran under."""
    return f"contracts/pipeline={pipeline}"


def record_dirs(pipeline: str) -> tuple[str, ...]:
    """Return the folders of the records by night, besides the published forecasts."""
    tables = (f"{table}/pipeline={pipeline}" for table in ("actuals", "accuracy", "anomalies"))
    return (decisions_dir(pipeline), snapshots_dir(pipeline), contracts_dir(pipeline), *tables)


def record_uri(folder: str, as_of: datetime) -> str:
    """Return the path of the record of one night in a folder of decisions, snapshots or contracts."""
    return f"{folder}/vintage={vintage_name(as_of)}.json"


def report_dir(pipeline: str, run_id: str) -> str:
    """Return the folder of the pages of a run: index.html and what lies next to it."""
    return f"{REPORTS_PREFIX}pipeline={pipeline}/{run_id}"


def report_asset_uri(digest: str, suffix: str) -> str:
    """Return the path of a file that the pages of many runs share."""
    return f"{REPORTS_PREFIX}assets/{digest}.{suffix}"


def retracted_dir(pipeline: str) -> str:
    """Return the folder of the records of retracted vintages."""
    return f"retracted/pipeline={pipeline}"


def retraction_uri(pipeline: str, as_of: datetime) -> str:
    """Return the path of the record of a retracted vintage."""
    return f"{retracted_dir(pipeline)}/vintage={vintage_name(as_of)}.json"


def runs_dir(pipeline: str) -> str:
    """Return the folder of the manifests of a pipeline."""
    return f"runs/pipeline={pipeline}"


def manifest_uri(pipeline: str, run_id: str) -> str:
    """Return the path of the manifest of a run."""
    return f"{runs_dir(pipeline)}/{run_id}.json"


def leases_dir(pipeline: str) -> str:
    """Return the folder of the leases of a pipeline."""
    return f"leases/pipeline={pipeline}"


def lease_uri(pipeline: str, number: int) -> str:
    """Return the path of the lease with this number."""
    return f"{leases_dir(pipeline)}/{number:012d}.json"


def lease_lock_uri(pipeline: str) -> str:
    """Return the path of the lock file that guards one write of a pipeline."""
    return f"{leases_dir(pipeline)}/.door"


def dry_runs_dir(pipeline: str) -> str:
    """Return the folder of all dry runs of a pipeline."""
    return f"dry-runs/pipeline={pipeline}"


def dry_run_dir(pipeline: str, as_of: datetime) -> str:
    """Return the root of the overlay store of one dry run."""
    return f"{dry_runs_dir(pipeline)}/vintage={vintage_name(as_of)}"


def retention_uri(pipeline: str) -> str:
    """Return the path of the record of what was collected of a pipeline."""
    return f"retention/pipeline={pipeline}.json"


def lost_uri(uri: str, digest: str) -> str:
    """Return where a damaged file is moved to; the digest keeps two of them apart."""
    return f"{LOST_DIR}/{uri}.{digest[:12]}"
