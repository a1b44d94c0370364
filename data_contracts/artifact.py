"""Reference to a stored file, which steps exchange instead of tables."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from data_contracts.spec import Spec


class Artifact(Spec):
    """Contract, location and digest of a stored file.

    `uri` is relative to the root of the store, so that a store can be moved as a whole.
    `digest` is the SHA-256 of the bytes in hex, and the name of the file.
    """

    contract: str = Field(description="name and version of its contract, as in 'clean@1.0.0'")
    uri: str = Field(description="path below the root of the store")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0, description="rows of a table; 0 for any other file")


def iterate_artifacts(record: Any) -> Iterator[Artifact]:
    """Yield every reference to a stored file in a JSON record, at any depth. Raises ValidationError for a bad one."""
    if isinstance(record, dict):
        if set(record) == set(Artifact.model_fields):
            yield Artifact.model_validate(record)
        else:
            for value in record.values():
                yield from iterate_artifacts(value)
    elif isinstance(record, list):
        for value in record:
            yield from iterate_artifacts(value)
