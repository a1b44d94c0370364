"""The store: immutable files named by the hash of their bytes. `put` checks the contract, `get` the digest."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import PrivateAttr

from data_contracts.artifact import Artifact
from data_contracts.errors import StoreDamaged, redact
from data_contracts.odcs_compiler import builtin_contract
from data_contracts.spec import Spec
from tasks.storage import files, large_files
from tasks.storage.checksums import to_text, with_checksum, without_checksum
from tasks.storage.failures import translate_read_errors, translate_write_errors
from tasks.storage.layout import CONTENT_ADDRESSED, artifacts_dir
from tasks.storage.lease import Lease
from tasks.storage.parquet import PartWriter, count_rows, read_parquet, read_row_groups, to_contract_table, to_parquet

Names = list[str] | None  # of columns
Parts = Iterable[pd.DataFrame | pa.Table]


class Store(Spec):
    """A store at `root`, a folder or any fsspec URL. `base` is a second store that is only read, for dry runs."""

    root: str
    base: str | None = None
    _lease: Lease | None = PrivateAttr(None)

    @property
    def display_root(self) -> str:
        """The root without a password, for messages."""
        return redact(self.root)

    def overlay(self, folder: str) -> "Store":
        """Return an overlay store for a dry run: reads fall through to this store, writes go to `folder`."""
        return Store(root=f"{self.root.rstrip('/')}/{folder}", base=self.root)

    def with_lease(self, lease: Lease) -> "Store":
        """Return this store with a lease: writes are fenced, except those to content-addressed paths."""
        fenced = self.model_copy()
        fenced._lease = lease
        return fenced

    def fenced_write(self) -> contextlib.AbstractContextManager[None]:
        """Fence a write to another system, such as the registry. Raises LeaseLost."""
        return self._lease.fenced_write() if self._lease else contextlib.nullcontext()

    def put(self, frame: pd.DataFrame | pa.Table, contract: str, folder: str | None = None) -> Artifact:
        """Store a table under the digest of its content, as Parquet. The same table is stored once.

        Args:
            frame: The table, with the columns of the contract.
            contract: Name of a built-in contract, such as clean or forecasts.
            folder: Where to store it, if not below artifacts/.

        Returns:
            The reference to the stored table.

        Raises:
            ContractBroken: The table violates its contract, which is a defect of Nightcast and not of the data.
        """
        compiled, where = builtin_contract(contract), folder or artifacts_dir(contract)
        table = to_contract_table(frame, compiled)
        return self._put_addressed(to_parquet(table), compiled.label, where, "parquet", table.num_rows)

    def put_parts(self, parts: Parts, contract: str, folder: str | None = None) -> Artifact:
        """Store a table that is given in parts, as `put` does; each part is written before the next is asked for.

        Args:
            parts: At least one part. No key of the contract occurs in two parts.
            contract: Name of a built-in contract.
            folder: Where to store it, if not below artifacts/.

        Returns:
            The reference to the stored table, whose row groups are the parts.

        Raises:
            ContractBroken: A part violates its contract.
        """
        compiled, where = builtin_contract(contract), folder or artifacts_dir(contract)
        with contextlib.ExitStack() as stack:
            with translate_write_errors(self.root, where):
                scratch = stack.enter_context(large_files.scratch_file(self.root, where))
            writer = PartWriter(scratch, compiled)
            for part in parts:
                with translate_write_errors(self.root, where):
                    writer.write(part)
            writer.require_part()
            with translate_write_errors(self.root, where):
                writer.close()
            digest = large_files.digest(scratch)
            uri = f"{where}/{digest}.parquet"
            stored = Artifact(contract=compiled.label, uri=uri, digest=digest, rows=writer.rows)
            if not self.contains(stored):
                with translate_write_errors(self.root, uri):
                    large_files.move_into_store(scratch, self.root, uri)
        self.mark_used(stored)
        return stored

    def get(self, artifact: Artifact, columns: Names = None) -> pd.DataFrame:
        """Return the table of an artifact. Raises StoreDamaged if the file is missing or its digest differs."""
        return self.arrow(artifact, columns).to_pandas()

    def arrow(self, artifact: Artifact, columns: Names = None, dictionaries: Names = None) -> pa.Table:
        """Return the Arrow table of an artifact, as `read_parquet` does. Raises StoreDamaged as `get` does."""
        return read_parquet(self.get_bytes(artifact), columns, dictionaries)

    def row_groups(self, artifact: Artifact, columns: Names = None, dictionaries: Names = None) -> Iterator[pa.Table]:
        """Return the row groups of an artifact, one at a time, as `arrow` returns the table."""
        with self.local_file(artifact) as path:
            yield from read_row_groups(path, columns, dictionaries)

    @contextlib.contextmanager
    def local_file(self, artifact: Artifact) -> Iterator[Path]:
        """Give the file of an artifact as a path on local disk, valid inside the block.

        Args:
            artifact: The stored file, of any size.

        Yields:
            The path: the file of a local store, or a temporary copy.

        Raises:
            StoreDamaged: The file is missing or its digest differs.
        """
        with contextlib.ExitStack() as stack:
            with translate_read_errors(self.root, artifact.uri):
                path = stack.enter_context(large_files.local_copy(self._root_of(artifact.uri), artifact.uri))
                digest = large_files.digest(path)
            _check_digest(artifact, digest)
            yield path

    def put_bytes(self, data: bytes, kind: str, suffix: str) -> Artifact:
        """Store a file other than a table, such as a model bundle, under the digest of its content."""
        return self._put_addressed(data, f"{kind}@1.0.0", artifacts_dir(kind), suffix, 0)

    def put_at(self, data: bytes, kind: str, uri: str) -> Artifact:
        """Store a file at a given path, such as a page. Unchanged bytes are not written again."""
        artifact = Artifact(contract=f"{kind}@1.0.0", uri=uri, digest=hashlib.sha256(data).hexdigest(), rows=0)
        if not self.contains(artifact):
            self._write(uri, data)
        self.mark_used(artifact)
        return artifact

    def get_bytes(self, artifact: Artifact) -> bytes:
        """Return the bytes of an artifact. Raises StoreDamaged if the file is missing or its digest differs."""
        data = self._read(artifact.uri)
        _check_digest(artifact, hashlib.sha256(data).hexdigest())
        return data

    def check(self, artifact: Artifact) -> None:
        """Raise StoreDamaged if the file of an artifact is missing or its digest differs."""
        with self.local_file(artifact):
            return

    def contains(self, artifact: Artifact) -> bool:
        """Return whether the file of an artifact exists and has its digest."""
        try:
            self.check(artifact)
        except StoreDamaged:
            return False
        return True

    def mark_used(self, artifact: Artifact) -> None:
        """Let `nightcast gc` count the file of an artifact as young: it was stored before, and is used again."""
        if artifact.uri.startswith(CONTENT_ADDRESSED):
            for root in filter(None, (self.root, self.base)):
                files.mark_used(root, artifact.uri)

    def publish(self, artifact: Artifact, uri: str) -> Artifact:
        """Copy an artifact to `uri` atomically, so that readers see all of it or nothing."""
        published = artifact.model_copy(update={"uri": uri})
        if not self.contains(published):
            with self.local_file(artifact) as source, translate_write_errors(self.root, uri), self.fenced_write():
                large_files.copy_into_store(source, self.root, uri)
        return published

    def bytes_at(self, uri: str) -> bytes:
        """Return the current bytes at `uri`. Raises StoreDamaged if the file is missing."""
        return self._read(uri)

    def artifact_at(self, uri: str) -> Artifact:
        """Return a reference to the current bytes at `uri`. Raises StoreDamaged if the file is missing."""
        return Artifact(contract="file@1.0.0", uri=uri, digest=hashlib.sha256(self._read(uri)).hexdigest(), rows=0)

    def table_at(self, uri: str, contract: str) -> Artifact:
        """Return a reference to the current table at `uri`. Raises StoreDamaged if it is missing or incomplete."""
        data = self._read(uri)
        digest = hashlib.sha256(data).hexdigest()
        is_whole = files.exists(self.root, f"{artifacts_dir(contract)}/{digest}.parquet")  # as it was stored
        try:
            rows = count_rows(pa.BufferReader(data), decode=not is_whole)
        except (pa.ArrowException, OSError) as torn:
            raise StoreDamaged(uri, f"is not a complete Parquet table: {str(torn).splitlines()[0]}") from torn
        return Artifact(contract=builtin_contract(contract).label, uri=uri, digest=digest, rows=rows)

    def read_json(self, uri: str) -> dict[str, Any] | None:
        """Return the JSON object at `uri`; None if the file is missing, torn or altered since it was written."""
        try:
            record = json.loads(self._read(uri))
        except (StoreDamaged, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            return None
        return without_checksum(record) if isinstance(record, dict) else None

    def write_json(self, uri: str, record: dict[str, Any], *, only_if_absent: bool = False) -> bool:
        """Write a JSON object with its checksum. Returns False if it exists, intact, and `only_if_absent` is set."""
        data = to_text(with_checksum(record)).encode() + b"\n"
        if self._write(uri, data, only_if_absent=only_if_absent):
            return True
        return self.read_json(uri) is None and self._write(uri, data)  # a torn record is as good as none

    def list_files(self, folder: str) -> list[str]:
        """Return the sorted paths of all files below `folder`, with those of the base store."""
        return sorted({uri for root in (self.root, self.base) if root for uri in files.list_files(root, folder)})

    def check_writable(self) -> None:
        """Raise StoreUnusable, before anything is computed, if the store cannot be written."""
        probe = ".writable"
        self._write(probe, bytes(4096))  # a disk without space takes an empty file
        files.remove(self.root, probe)

    def _write(self, uri: str, data: bytes, *, only_if_absent: bool = False) -> bool:
        fence = contextlib.nullcontext() if uri.startswith(CONTENT_ADDRESSED) else self.fenced_write()
        with translate_write_errors(self.root, uri, len(data)), fence:
            return files.write(self.root, uri, data, only_if_absent=only_if_absent)

    def _read(self, uri: str) -> bytes:
        with translate_read_errors(self.root, uri):
            return files.read(self._root_of(uri), uri)

    def _root_of(self, uri: str) -> str:
        """Return the root that has the file: the base store for a file that an overlay lacks."""
        return self.base if self.base and not files.exists(self.root, uri) else self.root

    def _put_addressed(self, data: bytes, contract: str, folder: str, suffix: str, rows: int) -> Artifact:
        digest = hashlib.sha256(data).hexdigest()
        stored = self.put_at(data, "", f"{folder}/{digest}.{suffix}")
        return stored.model_copy(update={"contract": contract, "rows": rows})


def _check_digest(artifact: Artifact, digest: str) -> None:
    if digest != artifact.digest:
        raise StoreDamaged(artifact.uri, f"has digest {digest[:12]}…, expected {artifact.digest[:12]}…")
