"""The claim check that steps hand each other instead of a table."""

from pydantic import Field

from data_contracts.spec import Spec


class Artifact(Spec):
    """What a stored file promises, where it lies, what it hashes to.

    `uri` is relative to the store's root, so a store can be moved as a whole.
    `digest` is the SHA-256 of the file's bytes in hex, and the file's name.
    """

    contract: str = Field(description="the contract it keeps and its version, as in 'clean@1.0.0'")
    uri: str = Field(description="where it lies below the store's root")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0, description="rows of a table; 0 for a file that is no table")
