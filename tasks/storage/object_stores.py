"""Open file systems of fsspec URLs so that one that does not answer ends within a minute, in one sentence.

A request to S3 fails after 5 seconds without a connection or 15 without an answer, and is sent three times. The
defaults multiply the retries of botocore and of s3fs: a server that died cost seven minutes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from data_contracts.errors import NightcastError, redact

S3_PROTOCOLS = ("s3", "s3a")
DEFAULT_CONFIG = {"retries": {"total_max_attempts": 3, "mode": "standard"}}  # of botocore; the user's settings win
NETWORK_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "google", "gcsfs", "azure", "requests", "urllib3")
CREDENTIAL_ERRORS = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "ProfileNotFound")
ANSWERS = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError)


class StoreUnreachable(NightcastError):
    """The store did not answer, or answered with an error of its server."""

    headline = "The store does not answer."

    def __init__(self, root: str, error: Exception) -> None:
        first = (str(error).strip().splitlines() or [""])[0]
        reason = redact(f"{type(error).__name__} {first}".strip())
        super().__init__(
            f"the store {redact(root)!r} does not answer ({reason}). Check its server and the network, then run the "
            "same command again: finished steps are taken from the cache."
        )


class StoreRefused(NightcastError):
    """The store was not asked, because this process has no credentials for it."""

    def __init__(self, root: str, error: Exception) -> None:
        super().__init__(
            f"the store {redact(root)!r} cannot be opened: {redact(str(error))}. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        )


def open_filesystem(url: str, **options: Any) -> tuple[Any, str]:
    """Return (file system, path) of a URL.

    Args:
        url: A path or an fsspec URL, which may be a chain.
        **options: fsspec's storage options; those for retries and timeouts win over the defaults here.

    Returns:
        The file system and the path in it.
    """
    for protocol in S3_PROTOCOLS:
        if url.startswith(f"{protocol}://"):
            options = _with_retries(options, protocol)
        elif f"::{protocol}://" in url:
            options[protocol] = _with_retries(options.get(protocol) or {}, protocol)
    filesystem, path = fsspec.core.url_to_fs(url, **options)
    if is_bucket(filesystem):
        filesystem.retries = 1  # of s3fs, around those of botocore
    return filesystem, path


def is_bucket(filesystem: Any) -> bool:
    """Return whether a file system is S3."""
    return bool(set(S3_PROTOCOLS) & {filesystem.protocol, *filesystem.protocol})


@contextlib.contextmanager
def opened_store(root: str) -> Iterator[tuple[Any, str]]:
    """Open the file system of a store.

    Args:
        root: Folder or fsspec URL.

    Yields:
        The file system and the path of the store in it.

    Raises:
        StoreUnreachable: Inside the block, a server did not answer.
        StoreRefused: This process has no credentials.
    """
    filesystem, base = open_filesystem(root)
    try:
        yield filesystem, base
    except ANSWERS:
        raise
    except Exception as error:
        if type(error).__name__ in CREDENTIAL_ERRORS:
            raise StoreRefused(root, error) from None
        is_network = type(error).__module__.split(".", 1)[0] in NETWORK_LIBRARIES
        if is_network or (isinstance(error, OSError) and not isinstance(filesystem, LocalFileSystem)):
            raise StoreUnreachable(root, error) from None  # a step must not retry what was retried here
        raise


def _with_retries(options: dict[str, Any], protocol: str) -> dict[str, Any]:
    configured = fsspec.config.conf.get(protocol, {}).get("config_kwargs", {})
    config = {**DEFAULT_CONFIG, **configured, **(options.get("config_kwargs") or {})}
    return {**options, "config_kwargs": config}
