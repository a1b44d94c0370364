"""The store: immutable files named by the hash of their bytes, with a guard at both doors."""

import contextlib
import hashlib
import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import PrivateAttr

from data_contracts.artifact import Artifact
from data_contracts.column_types import ARROW
from data_contracts.contract import Contract
from data_contracts.errors import ContractBroken, NightcastError, StoreDamaged, redact
from data_contracts.odcs_compiler import builtin_contract
from data_contracts.spec import Spec
from tasks.storage import files
from tasks.storage.layout import CONTENT_ADDRESSED, artifacts_dir
from tasks.storage.lease import Lease


class StoreUnusable(NightcastError):
    """The store can't be written to or read from at all."""


class Store(Spec):
    """Where everything lies; `root` is a folder or any fsspec URL, and `beneath` one that is read and never written."""

    root: str
    base: str | None = None
    _lease: Lease | None = PrivateAttr(None)

    @property
    def display_root(self) -> str:
        """The root as it may stand in a message: without a password."""
        return redact(self.root)

    def overlay(self, folder: str) -> "Store":
        """A store in `folder` that sees everything of this one and leaves it as it is: for a rehearsal."""
        return Store(root=f"{self.root.rstrip('/')}/{folder}", base=self.root)

    def with_lease(self, lease: Lease) -> "Store":
        """The same store for the one writer of a pipeline: every write that is not named by its content is fenced."""
        fenced = self.model_copy()
        fenced._lease = lease
        return fenced

    def fenced_write(self) -> contextlib.AbstractContextManager[None]:
        """For what is written elsewhere and belongs to the pipeline too. Raises LeaseLost."""
        return self._lease.fenced_write() if self._lease else contextlib.nullcontext()

    def put(self, frame: pd.DataFrame | pa.Table, contract: str, folder: str | None = None) -> Artifact:
        """Store a table that keeps its contract; the same table is stored once.

        Raises ContractBroken where the table is not what its contract promises: a defect of ours, not of the data.
        """
        promise = builtin_contract(contract)
        table = _in_promised_types(frame, promise)
        findings = promise.violations(table)
        if findings:
            raise ContractBroken(f"the {contract} table", findings)
        return self._keep(_parquet(table), promise.label, folder or artifacts_dir(contract), "parquet", table.num_rows)

    def get(self, artifact: Artifact, columns: list[str] | None = None) -> pd.DataFrame:
        """The table of a claim check. Raises StoreDamaged where the bytes are not those of the claim."""
        return self.arrow(artifact, columns).to_pandas()

    def arrow(self, artifact: Artifact, columns: list[str] | None = None) -> pa.Table:
        source = pa.BufferReader(self.get_bytes(artifact))
        return pq.read_table(source, columns=columns, page_checksum_verification=True)

    def put_bytes(self, data: bytes, kind: str, suffix: str) -> Artifact:
        """Store a file that is no table: a model bundle, a page."""
        return self._keep(data, f"{kind}@1.0.0", artifacts_dir(kind), suffix, 0)

    def put_at(self, data: bytes, kind: str, uri: str) -> Artifact:
        """Store a file at a place that people know, such as a page; unchanged bytes are not written again."""
        digest = hashlib.sha256(data).hexdigest()
        artifact = Artifact(contract=f"{kind}@1.0.0", uri=uri, digest=digest, rows=0)
        if not self.contains(artifact):
            self._write(uri, data)
        return artifact

    def get_bytes(self, artifact: Artifact) -> bytes:
        data = self._read(artifact.uri)
        found = hashlib.sha256(data).hexdigest()
        if found != artifact.digest:
            raise StoreDamaged(artifact.uri, f"hashes to {found[:12]}…, not to {artifact.digest[:12]}…")
        return data

    def contains(self, artifact: Artifact) -> bool:
        """Whether the claimed file is there and has the claimed bytes."""
        try:
            self.get_bytes(artifact)
        except StoreDamaged:
            return False
        return True

    def publish(self, artifact: Artifact, uri: str) -> Artifact:
        """A second name for the same bytes, visible whole or not at all; unchanged bytes are not written again."""
        there = artifact.model_copy(update={"uri": uri})
        if not self.contains(there):
            self._write(uri, self.get_bytes(artifact))
        return there

    def artifact_at(self, uri: str) -> Artifact:
        """A claim check for whatever bytes lie at `uri` now. Raises StoreDamaged where there are none."""
        digest = hashlib.sha256(self._read(uri)).hexdigest()
        return Artifact(contract="file@1.0.0", uri=uri, digest=digest, rows=0)

    def table_at(self, uri: str, contract: str) -> Artifact:
        """A claim check for the table that lies at `uri` now. Raises StoreDamaged where there is no whole table."""
        data = self._read(uri)
        try:
            rows = pq.read_table(pa.BufferReader(data), page_checksum_verification=True).num_rows
        except (pa.ArrowException, OSError) as torn:
            raise StoreDamaged(uri, f"is no whole table: {str(torn).splitlines()[0]}") from torn
        digest = hashlib.sha256(data).hexdigest()
        return Artifact(contract=builtin_contract(contract).label, uri=uri, digest=digest, rows=rows)

    def read_json(self, uri: str) -> dict[str, Any] | None:
        """The record at `uri`; None where there is none, or one that is torn and so worth nothing."""
        try:
            record = json.loads(self._read(uri))
        except (StoreDamaged, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            return None
        return record if isinstance(record, dict) else None

    def write_json(self, uri: str, record: dict[str, Any], *, only_if_absent: bool = False) -> bool:
        data = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        return self._write(uri, data, only_if_absent=only_if_absent)

    def list_files(self, folder: str) -> list[str]:
        below = files.list_files(self.base, folder) if self.base else []
        return sorted({*below, *files.list_files(self.root, folder)})

    def check_writable(self) -> None:
        """Raise StoreUnusable, before anything is computed, where the store can't be written to."""
        probe = ".writable"
        self._write(probe, b"")
        files.remove(self.root, probe)

    def _write(self, uri: str, data: bytes, *, only_if_absent: bool = False) -> bool:
        if not uri.startswith(CONTENT_ADDRESSED):
            with self.fenced_write():
                return self._written(uri, data, only_if_absent)
        return self._written(uri, data, only_if_absent)

    def _written(self, uri: str, data: bytes, only_if_absent: bool) -> bool:
        try:
            return files.write(self.root, uri, data, only_if_absent=only_if_absent)
        except (OSError, ValueError, ImportError) as refused:  # the last two: a URL that fsspec does not know
            raise StoreUnusable(
                f"the store {self.display_root!r} can't be written to: {refused} ({len(data):,} bytes for {uri}). Give this "
                "user the right and the room to write there, or set NIGHTCAST_STORE to another place."
            ) from refused

    def _read(self, uri: str) -> bytes:
        try:
            return self._found(uri)
        except FileNotFoundError as missing:
            raise StoreDamaged(uri, "is missing") from missing
        except (OSError, ValueError, ImportError) as refused:
            raise StoreUnusable(
                f"{uri} in the store {self.display_root!r} can't be read: {refused}. Give this user the right to read there, "
                "or set NIGHTCAST_STORE to another place."
            ) from refused

    def _found(self, uri: str) -> bytes:
        try:
            return files.read(self.root, uri)
        except FileNotFoundError:
            if not self.base:
                raise
        return files.read(self.base, uri)

    def _keep(self, data: bytes, contract: str, folder: str, suffix: str, rows: int) -> Artifact:
        digest = hashlib.sha256(data).hexdigest()
        placed = self.put_at(data, "", f"{folder}/{digest}.{suffix}")
        return placed.model_copy(update={"contract": contract, "rows": rows})


def _in_promised_types(frame: pd.DataFrame | pa.Table, promise: Contract) -> pa.Table:
    """Cast what can be cast without loss, so that a contract names one type whatever pandas made of it."""
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    promised = {column.name: ARROW[column.arrow] for column in promise.columns if column.arrow}
    for place, field in enumerate(table.schema):
        plain = pa.string() if pa.types.is_large_string(field.type) else field.type
        wanted = promised.get(field.name, plain)
        if field.type != wanted:
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = table.set_column(place, field.name, table[field.name].cast(wanted))
    return table.replace_schema_metadata(None)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()
