"""A source that does not exist or does not answer: no data were seen, so no contract was broken."""

import difflib
import errno
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from data_contracts.errors import NightcastError, SourceUnreadable, SpecError
from tasks.sources.spec import SourceSpec

ROOT = Path(__file__).parents[2]
MAX_ENTRIES = 2000  # of a folder that are compared with a missing name
MAX_LISTED_NAMES = 5
DOCUMENTS = (".yaml", ".yml")  # pipelines and contracts in the folder of a table
NOT_FOUND = 404  # HTTP status code
MISSING_IN_BUCKET = ("NoSuchBucket", "NoSuchKey", "404")  # error codes of S3
NETWORK_ERRNOS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
NETWORK_LIBRARIES = ("aiohttp", "botocore", "aiobotocore", "requests", "urllib3", "paramiko", "ftplib")
DATABASE_REFUSALS = (
    *("connection", "connect to", "authentication", "password", "access denied", "could not translate", "resolve"),
    *("refused", "timed out", "timeout", "server closed", "too many clients", "starting up", "permission denied"),
)


class SourceMissing(SpecError):
    """No file, folder or database exists where the pipeline names its source."""

    headline = "The source does not exist: nothing new was published."
    advice = "Deliver it, or correct source.path in the pipeline, then run the same night again."


class SourceUnreachable(SourceUnreadable):
    """The server of the source does not answer, or refuses this user."""

    exit_code = 1
    headline = "The source cannot be reached: nothing new was published."
    advice = "Check its server, the network and the credentials, then run the same night again."
    summary = f"cannot be reached. {advice} Nothing new was published:"


def is_database_error(error: BaseException, kind: str = "SQLAlchemyError") -> bool:
    """Return whether SQLAlchemy raised an error of this class. It is imported by then, and takes half a second."""
    errors = sys.modules.get("sqlalchemy.exc")
    return errors is not None and isinstance(error, getattr(errors, kind))


def missing_source(source: SourceSpec, error: Exception) -> NightcastError:
    """Return the error of a source that does not exist: where it was looked for, and the nearest name there."""
    address = source.path or ""
    if source.kind == "sql":
        address = (source.url or "").removeprefix("sqlite:///")
    paths = [] if "://" in address or not address else list(_searched_paths(address, source))
    if any(path.is_file() for path in paths):
        finding = f"a file of it was removed while it was read: {error}; run the same night again"
        return SourceUnreadable(f"the source {source.label}", [finding])
    empty = next((path for path in paths if path.is_dir()), None)
    if empty:
        where = f"{empty} is a folder without a file that is read"
    elif paths:
        where = f"Looked for {' and '.join(map(str, paths))}; {_describe_surroundings(paths)}"
    else:
        where = "Nothing is at that address"
    field = "source.url" if source.kind == "sql" else "source.path"
    return SourceMissing(
        f"the source {source.label} does not exist. {where}. Deliver the file, or correct {field} in the pipeline, "
        "then run the same command again. Nothing new was published."
    )


def _searched_paths(address: str, source: SourceSpec) -> Iterator[Path]:
    """Yield the absolute paths that a relative one stands for: below this folder, that of the YAML, the repository."""
    repository = ROOT if (ROOT / "Makefile").exists() else None
    folders = (Path.cwd(), Path(source.folder) if source.folder else None, repository)
    yield from dict.fromkeys((folder / address).absolute() for folder in folders if folder)


def _describe_surroundings(paths: list[Path]) -> str:
    """Return what is near the missing paths: a similar name if there is one, else what its folder holds."""
    for path in paths:
        existing = next(folder for folder in path.parents if folder.is_dir())
        missing = path.relative_to(existing).parts[0]
        names = _list_names(existing)
        near = difflib.get_close_matches(missing, names, 1)
        near = near or [name for name in names if Path(name).stem.lower() == Path(missing).stem.lower()][:1]
        if near:
            return f"the nearest name is {existing / near[0]}"
    existing = next(folder for folder in paths[0].parents if folder.is_dir())
    names = _list_names(existing)
    listed = ", ".join(names[:MAX_LISTED_NAMES]) + (" …" if len(names) > MAX_LISTED_NAMES else "")
    return f"the folder {existing} exists and holds {listed or 'nothing'}"


def _list_names(folder: Path) -> list[str]:
    try:
        entries = islice(folder.iterdir(), MAX_ENTRIES)
        return sorted(path.name for path in entries if not path.name.startswith(".") and path.suffix not in DOCUMENTS)
    except OSError:
        return []


def is_absence(error: BaseException) -> bool:
    """Return whether an error says that nothing exists at an address, and not that its server does not answer."""
    cause = error.__cause__
    answer = getattr(cause, "response", None)  # of botocore
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    is_missing = cause is None or getattr(cause, "status", None) == NOT_FOUND or code in MISSING_IN_BUCKET
    return isinstance(error, FileNotFoundError) and is_missing


def is_unreachable(error: BaseException) -> bool:
    """Return whether a server did not answer or refused this user."""
    if is_database_error(error, "DBAPIError"):
        message = str(getattr(error, "orig", "")).lower()
        return bool(getattr(error, "connection_invalidated", False)) or any(
            word in message for word in DATABASE_REFUSALS
        )
    if isinstance(error, FileNotFoundError):
        return error.__cause__ is not None and not is_absence(error)
    if isinstance(error, ConnectionError | TimeoutError | PermissionError):
        return True
    if isinstance(error, OSError) and error.errno in NETWORK_ERRNOS:
        return True
    return type(error).__module__.partition(".")[0] in NETWORK_LIBRARIES
