"""What each path of a store holds, told from its name: the inverse of `layout`."""

import re
from typing import NamedTuple

from tasks.storage.layout import LOST_DIR, MLFLOW_DIR

PIPELINE = r"pipeline=(?P<pipeline>[^/]+)"
DIGEST = r"(?P<digest>[0-9a-f]{64})\.[a-z]+"
VINTAGE = r"vintage=(?P<vintage>[^/]+)"
PATTERNS = {
    "artifact": rf"artifacts/(?P<table>[^/]+)/{DIGEST}",
    "quarantine": rf"quarantine/{PIPELINE}/{DIGEST}",
    "cache": r"cache/(?P<table>[^/]+)/[0-9a-f]+\.json",
    "published": rf"(?P<table>forecasts|actuals|accuracy|anomalies)/{PIPELINE}/{VINTAGE}/(?P=table)\.parquet",
    "latest": rf"latest/{PIPELINE}/(?:forecasts|history|errors)\.parquet",
    "decision": rf"decisions/{PIPELINE}/{VINTAGE}\.json",
    "snapshot": rf"snapshots/{PIPELINE}/{VINTAGE}\.json",
    "contract": rf"contracts/{PIPELINE}/{VINTAGE}\.json",
    "asset": rf"reports/assets/{DIGEST}",
    "report": rf"reports/{PIPELINE}/(?P<run>[^/]+)/[^/]+",
    "manifest": rf"runs/{PIPELINE}/(?P<run>[^/]+)\.json",
    "changes": rf"changes/{PIPELINE}\.md",
    "retraction": rf"retracted/{PIPELINE}/{VINTAGE}\.json",
    "retention": rf"retention/{PIPELINE}\.json",
    "lease": rf"leases/{PIPELINE}/(?:\d+\.json|\.door)",
    "dry run": rf"dry-runs/{PIPELINE}/{VINTAGE}/(?P<rest>.+)",
    "weights": rf"{MLFLOW_DIR}/artifacts/(?P<run>[^/]+)/artifacts/model/weights\.safetensors",
    "registry": rf"{MLFLOW_DIR}/.+",
    "lost": rf"{re.escape(LOST_DIR)}/.+",
}
MATCHERS = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}
HALF_WRITTEN = re.compile(r"(?:.*/)?\.(?:[0-9a-f]{32}\.part|writable|tmp[0-9A-Za-z]{6})")  # .tmp: of safetensors
CONTENT_KINDS = ("artifact", "quarantine", "asset")  # named by the digest of their content
RECORDS = ("cache", "snapshot", "contract", "manifest", "retention", "retraction")  # JSON with a checksum


class StoredKind(NamedTuple):
    """What a file is: its kind, and what its path says about it; empty if it says nothing.

    `table` is the contract of an artifact, the step of a cache record, or the published table. `rest` is the path
    within a dry run.
    """

    name: str
    pipeline: str = ""
    digest: str = ""
    table: str = ""
    vintage: str = ""
    run: str = ""
    rest: str = ""


def kind_of(uri: str) -> StoredKind:
    """Return what the file at a path of the store is; `unknown` if Nightcast does not write such a path."""
    if HALF_WRITTEN.fullmatch(uri):
        return StoredKind("half-written")
    for name, matcher in MATCHERS.items():
        if match := matcher.fullmatch(uri):
            return StoredKind(name, **match.groupdict(default=""))
    return StoredKind("unknown")
