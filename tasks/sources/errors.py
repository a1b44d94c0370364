"""What is too much to read, and how whatever a driver raises becomes one sentence without a secret."""

import contextlib
import lzma
import zlib
from collections.abc import Iterator

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from data_contracts.errors import ContractBroken, NightcastError, SourceUnreadable, SpecError
from tasks.sources.secrets import Secrets, resolve_secrets
from tasks.sources.spec import SourceSpec

NO_FILE_OF_ITS_KIND = (pa.ArrowException, EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError)
EXTRAS = {"s3fs": "s3", "psycopg": "postgresql"}


@contextlib.contextmanager
def translate_errors(source: SourceSpec) -> Iterator[SourceSpec]:
    """The source with its secrets filled in. Every error inside leaves as SourceUnreadable or SpecError, without them.

    No error keeps its cause: the drivers' own quote URLs and passwords, and a cause is printed with its error.
    """
    ready, secrets = source, Secrets()
    try:
        ready, secrets = resolve_secrets(source)
        yield ready
    except Exception as error:  # noqa: BLE001 - file systems, drivers and users' functions raise what they like
        raise _redact(_to_nightcast_error(source, error), source, ready, secrets) from None


def _to_nightcast_error(source: SourceSpec, error: Exception) -> NightcastError:
    """The sentence of whatever was raised."""
    what = f"the source {source.shown}"
    if isinstance(error, NightcastError):
        return error
    if isinstance(error, FileNotFoundError):
        return SourceUnreadable(what, ["there is no such file"])
    if isinstance(error, SQLAlchemyError):
        return SourceUnreadable(what, [f"the database says: {_first_line(getattr(error, 'orig', None) or error)}"])
    if isinstance(error, ImportError):
        return SpecError(f"{what} can't be opened: {_first_line(error)}{_extra(error, source)}")
    if isinstance(error, (*NO_FILE_OF_ITS_KIND, OSError)) or not isinstance(error, ValueError | TypeError):
        return SourceUnreadable(what, [f"it can't be read as {source.kind}: {_first_line(error)}"])
    return SpecError(f"{what} can't be opened: {_first_line(error)}")  # fsspec: no such protocol, or option


def _extra(error: ImportError, source: SourceSpec) -> str:
    found = [extra for package, extra in EXTRAS.items() if package in f"{error.name} {error}"]
    if found:
        return f". Install it with: pip install 'nightcast[{found[0]}]'"
    return "; install the driver of this database, or name another one in the url" if source.kind == "sql" else ""


def _first_line(error: BaseException) -> str:
    return " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())


def _redact(error: NightcastError, source: SourceSpec, ready: SourceSpec, secrets: Secrets) -> NightcastError:
    def clean(text: str) -> str:
        return secrets.hidden(text.replace(ready.shown, source.shown))

    if isinstance(error, ContractBroken):
        return type(error)(clean(error.table), [clean(one) for one in error.findings], error.quarantine)
    error.args = tuple(clean(str(one)) for one in error.args)
    return error
