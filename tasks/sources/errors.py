"""Translate errors of file systems, drivers and user functions to one sentence without secrets."""

import contextlib
import lzma
import zlib
from collections.abc import Iterator

import pyarrow as pa

from data_contracts.errors import ContractBroken, NightcastError, SourceUnreadable, SpecError
from tasks.sources.addresses import private_address_error, record_refusals
from tasks.sources.limits import UnsuitablePath
from tasks.sources.missing import SourceUnreachable, is_absence, is_database_error, is_unreachable, missing_source
from tasks.sources.secrets import Secrets, resolve_secrets
from tasks.sources.spec import SourceSpec

FORMAT_ERRORS = (pa.ArrowException, EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError)
EXTRAS = {
    "s3fs": "s3",
    "psycopg": "postgresql",
    "deltalake": "delta",
    "pyiceberg": "iceberg",
    "python_calamine": "excel",
}


@contextlib.contextmanager
def translate_errors(source: SourceSpec) -> Iterator[SourceSpec]:
    """Resolve the secrets of `source`, and translate every error inside the block.

    The error has no cause: errors of drivers quote URLs and passwords, and Python prints a cause with its error.

    Args:
        source: The source as the pipeline defines it.

    Yields:
        The source with its secrets resolved.

    Raises:
        NightcastError: SourceUnreadable or SpecError, without secrets.
    """
    resolved, secrets = source, Secrets()
    refused: list[str] = []
    try:
        resolved, secrets = resolve_secrets(source)
        with record_refusals() as refused:
            yield resolved
    except Exception as error:  # noqa: BLE001 - file systems, drivers and user functions raise errors of any type
        error = private_address_error(source, refused[0]) if refused else error
        translated = _redact(_to_nightcast_error(source, error), source, resolved, secrets)
        raise translated from None


def _to_nightcast_error(source: SourceSpec, error: Exception) -> NightcastError:
    table = f"the source {source.label}"
    if isinstance(error, NightcastError):
        return error
    if is_absence(error) and source.kind != "python":
        return missing_source(source, error)
    if is_unreachable(error):
        return SourceUnreachable(table, [_describe_refusal(error, source)])
    return _translate_by_type(source, table, error)


def _translate_by_type(source: SourceSpec, table: str, error: Exception) -> NightcastError:
    if sentence := _describe(error):
        return SourceUnreadable(table, [sentence])
    if isinstance(error, ImportError):
        return SpecError(f"{table} can't be opened: {_first_line(error)}{_install_hint(error, source)}")
    if isinstance(error, (*FORMAT_ERRORS, OSError)) or not isinstance(error, ValueError | TypeError):
        return SourceUnreadable(table, [f"it can't be read as {source.kind}: {_first_line(error)}"])
    return SpecError(f"{table} can't be opened: {_first_line(error)}")  # fsspec: unknown protocol or option


def _describe(error: Exception) -> str:
    """Return what is wrong and what to do, for an error whose cause is known; else an empty text."""
    if isinstance(error, UnsuitablePath):
        return str(error)
    if isinstance(error, MemoryError):
        return "reading it takes more memory than there is; name fewer columns, or shorten the history"
    if is_database_error(error):
        return f"the database says: {_first_line(getattr(error, 'orig', None) or error)}"
    return ""


def _describe_refusal(error: Exception, source: SourceSpec) -> str:
    if is_database_error(error):
        return _describe(error)
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    return f"it can't be read as {source.kind}: {type(cause).__name__}: {_first_line(cause)}"


def _install_hint(error: ImportError, source: SourceSpec) -> str:
    extras = [extra for package, extra in EXTRAS.items() if package in f"{error.name} {error}"]
    if extras:
        return f". Install it with: pip install 'nightcast[{extras[0]}]'"
    if source.kind == "sql":
        return "; install the driver of this database, or name another driver in the url"
    return ""


def _first_line(error: BaseException) -> str:
    return " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())


def _redact(error: NightcastError, source: SourceSpec, resolved: SourceSpec, secrets: Secrets) -> NightcastError:
    def clean(text: str) -> str:
        return secrets.redact(text.replace(resolved.label, source.label))

    if isinstance(error, ContractBroken):
        return type(error)(clean(error.table), [clean(finding) for finding in error.findings], error.quarantine)
    error.args = tuple(clean(str(part)) for part in error.args)
    return error
