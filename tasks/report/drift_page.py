"""Finish Evidently's page: a title, a way back to the morning page, less data, and code that all nights share.

reports/assets/<digest>.js, .css  <──  reports/pipeline=<name>/<run>/drift.html, which opens from disk without network
"""

import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from data_contracts.artifact import Artifact
from tasks.storage.layout import REPORTS_PREFIX, report_asset_uri
from tasks.storage.store import Store

FROM_RUN = "../.."  # reports/, from the folder of a run
MAX_DIGITS = 5  # of a number in a drawing
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
DATA = re.compile(r"var (?:additional_graphs_)?metric_\w+ = (?=\{)")


@cache
def library() -> str:
    """Return Evidently's JavaScript; empty if this release keeps it elsewhere, and pages then contain it."""
    import evidently

    path = Path(evidently.__path__[0]) / "nbextension/static/index.js"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def finish_page(page: str, pipeline: str, night: str) -> tuple[str, dict[str, str]]:
    """Give Evidently's page a title and a way back, and take out of it what all pages share.

    Args:
        page: Evidently's HTML.
        pipeline: Name of the pipeline, for the title.
        night: The as-of as text, for the title.

    Returns:
        The page, and the shared files by their path. A part of the page that is not as expected stays in it.
    """
    page, shared = _shrink_data(page), dict[str, str]()
    if library() and (script := f"<script>{library()}</script>") in page:
        uri = _shared_uri(library(), "js")
        page, shared[uri] = page.replace(script, f'<script src="{_href(uri)}"></script>'), library()
    if style := STYLE.search(page):
        uri = _shared_uri(style[1], "css")
        page, shared[uri] = page.replace(style[0], f'<link rel="stylesheet" href="{_href(uri)}">', 1), style[1]
    title = html.escape(f"Drift · {pipeline} · {night}")
    bar = (
        '<p style="margin:16px 24px;font:15px system-ui,sans-serif">'
        f'<a href="index.html">← The page of this night</a> · {title}</p>'
    )
    page = page.replace("<head>", f"<head><title>{title}</title>", 1)
    return page.replace("<body>", f"<body>{bar}", 1), shared


def store_shared(shared: dict[str, str], store: Store) -> tuple[Artifact, ...]:
    """Store the files that the pages of all nights refer to."""
    kinds = {"js": "script", "css": "style"}
    return tuple(store.put_at(text.encode(), kinds[uri.rpartition(".")[2]], uri) for uri, text in shared.items())


def _shrink_data(page: str) -> str:
    """Write the data of the drawings with few digits, and without Plotly's template, which each of them repeats."""
    parts, end = list[str](), 0
    while match := DATA.search(page, end):
        parts.append(page[end : match.end()])
        data, end = json.JSONDecoder().raw_decode(page, match.end())
        parts.append(json.dumps(_reduce(data), separators=(",", ":")).replace("</", "<\\/"))
    return "".join([*parts, page[end:]])


def _reduce(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reduce(item) for key, item in value.items() if key != "template"}
    if isinstance(value, list):
        return [_reduce(item) for item in value]
    return float(f"{value:.{MAX_DIGITS}g}") if isinstance(value, float) else value


def _shared_uri(text: str, suffix: str) -> str:
    return report_asset_uri(hashlib.sha256(text.encode()).hexdigest(), suffix)


def _href(uri: str) -> str:
    return f"{FROM_RUN}/{uri.removeprefix(REPORTS_PREFIX)}"
