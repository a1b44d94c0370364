"""The JavaScript of Evidently's page, stored once for all nights: it is nine tenths of the page.

reports/assets/<digest>.js   <──  reports/pipeline=<name>/<run>/drift.html, which opens from a disk without network
"""

import hashlib
from functools import cache
from pathlib import Path

from data_contracts.artifact import Artifact
from tasks.storage.layout import REPORTS_PREFIX, report_asset_uri
from tasks.storage.store import Store

FROM_RUN = "../.."  # reports/, from the folder of a run


@cache
def library() -> str:
    """Return Evidently's JavaScript; empty if this release keeps it elsewhere, and pages then contain it."""
    import evidently

    path = Path(evidently.__path__[0]) / "nbextension/static/index.js"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def refer_to_library(page: str) -> str:
    """Replace the JavaScript within a page of Evidently by a reference to its file."""
    script = f"<script>{library()}</script>"
    return page.replace(script, f'<script src="{_href()}"></script>') if library() else page


def store_library(page: str, store: Store) -> tuple[Artifact, ...]:
    """Store the JavaScript to which a page refers; nothing if the page contains it."""
    if not library() or _href() not in page:
        return ()
    return (store.put_at(library().encode(), "script", _uri()),)


def _uri() -> str:
    return report_asset_uri(hashlib.sha256(library().encode()).hexdigest(), "js")


def _href() -> str:
    return f"{FROM_RUN}/{_uri().removeprefix(REPORTS_PREFIX)}"
