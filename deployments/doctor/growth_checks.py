"""Health checks of growth: the size of the store by kind, what a night adds, and when the disk is full."""

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from deployments.doctor.finding import CheckContext, Finding, FindingState
from deployments.process_environment import prefect_home
from tasks.storage.inventory import StoredFile, list_stored
from tasks.storage.kinds import kind_of

WINDOW = timedelta(days=14)
MAX_LISTED_KINDS = 4
WATCH_BELOW_DAYS, BAD_BELOW_DAYS = 60.0, 7.0  # until the disk is full
WATCH_ABOVE_BYTES = 2**30  # of one database
MIB = 2**20
FREE_SPACE = "nightcast gc shows what old nights can give back; nightcast gc --apply deletes it"


def check(context: CheckContext) -> Iterator[Finding]:
    """Check the growth of a store on this machine, and of the databases of MLflow and Prefect."""
    root = context.settings.local_root
    if root is None or not root.is_dir():
        return
    files = [file for file in list_stored(str(root)) if not file.is_folder]
    yield _check_growth(root, files, context)
    databases = {"mlflow.db": context.settings.tracking.database, "prefect.db": prefect_home() / "prefect.db"}
    for name, path in databases.items():
        if path and path.exists() and path.stat().st_size > WATCH_ABOVE_BYTES:
            message = f"{path} has {_format(path.stat().st_size)}"
            step = FREE_SPACE if name == "mlflow.db" else "nightcast up deletes runs older than 90 days from it"
            yield Finding("growth", "watch", message, step)


def _check_growth(root: Path, files: list[StoredFile], context: CheckContext) -> Finding:
    since = (context.now - WINDOW).timestamp()
    recent = [file for file in files if file.modified and since <= file.modified <= context.now.timestamp()]
    nights = sum(kind_of(file.uri).name == "manifest" for file in recent)
    total = f"the store has {_format(sum(file.size for file in files))} ({_by_kind(files)})"
    database = prefect_home() / "prefect.db"
    total += f", prefect.db has {_format(database.stat().st_size)}" if database.exists() else ""
    if not nights:
        return Finding("growth", "good", f"{total}; no run wrote to it in the last {WINDOW.days} days")
    added = sum(file.size for file in recent)
    oldest = min(file.modified or since for file in recent)
    days = max(1.0, (context.now.timestamp() - oldest) / timedelta(days=1).total_seconds())
    free = shutil.disk_usage(root).free
    remaining = free / max(added / days, 1.0)
    message = f"{total}; a run adds {_format(added // nights)}; the disk is full in {remaining:,.0f} days"
    state: FindingState = "bad" if remaining < BAD_BELOW_DAYS else "watch" if remaining < WATCH_BELOW_DAYS else "good"
    return Finding("growth", state, message, FREE_SPACE)


def _by_kind(files: list[StoredFile]) -> str:
    sizes = Counter[str]()
    for file in files:
        kind = kind_of(file.uri)
        sizes[kind.table if kind.name == "artifact" else file.uri.partition("/")[0]] += file.size
    return ", ".join(f"{name} {_format(size)}" for name, size in sizes.most_common(MAX_LISTED_KINDS))


def _format(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
