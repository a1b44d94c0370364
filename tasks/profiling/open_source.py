"""Opens a table of which only the address is known: a file, a folder, a glob, a URL, or a table of a database."""

import re
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from pydantic import ValidationError
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import registry
from sqlalchemy.exc import SQLAlchemyError

from data_contracts.errors import SourceUnreadable, SpecError, redact
from data_contracts.regular_files import describe_obstacle
from data_contracts.yaml_reader import spec_error_from
from tasks.profiling.inference import CannotInferPipeline, Hints, Inference, TableUnreachable, join_names
from tasks.profiling.number_format import infer_number_format
from tasks.sources.addresses import SCHEMES
from tasks.sources.errors import translate_errors
from tasks.sources.files.csv_reader import sample_dialect
from tasks.sources.files.filesystem import SUFFIXES, is_hidden, list_source_files
from tasks.sources.files.lake_log import LAKE_PACKAGES, resolve_lake_table
from tasks.sources.files.local_files import BoundedFileSystem
from tasks.sources.limits import UnsuitablePath
from tasks.sources.missing import SourceUnreachable
from tasks.sources.names import names_as_text
from tasks.sources.read import read_source
from tasks.sources.redaction import SECRET_NAME, VARIABLE_REFERENCE
from tasks.sources.spec import SourceSpec

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip", ".zst")
ENCODINGS = ("utf-8", "utf-16", "cp1252")  # in this order; the last reads almost any file
MAX_SHOWN_NAMES = 3
NO_HINTS = Hints()


def infer_source(address: str, table: str | None = None) -> SourceSpec:
    """Infer the kind of source from an address.

    Args:
        address: A file, a folder, a glob, an fsspec URL, or the URL of a database.
        table: The table of a database, or the sheet of a workbook; may be omitted if it has only one.

    Returns:
        The source as the pipeline will name it.

    Raises:
        SpecError: The address contains a password, or does not fit the options.
        CannotInferPipeline: The file or folder does not exist.
    """
    _refuse_secrets(address)
    scheme, has_scheme, _ = address.partition("://")
    if has_scheme and scheme not in SCHEMES and _is_database(scheme):
        settings = {"kind": "sql", "url": address, "table": table or _only_table(address)}
    elif has_scheme and scheme not in SCHEMES:
        raise SpecError(
            f"{address}: the scheme {scheme}:// is not supported. Use a file, a folder, s3://… or sqlite:///file.db."
        )
    else:
        settings = _infer_files(address, bool(has_scheme))
        if table and settings["kind"] != "excel":
            raise SpecError(
                f"--table is for a database such as sqlite:///file.db, or a sheet; {address} is a file, folder or URL."
            )
        settings |= {"sheet": table} if table else {}
    try:
        return SourceSpec.model_validate(settings)
    except ValidationError as error:
        spec_error = spec_error_from(redact(address), error)
        raise spec_error from error


def read_sample(source: SourceSpec, hints: Hints = NO_HINTS) -> tuple[SourceSpec, pa.Table]:
    """Read the table, and infer the encoding of a CSV and how numbers are written.

    Args:
        source: The source of the table.
        hints: What the user states.

    Returns:
        The source with encoding and number format, and the whole table with all its columns; bytes as text.

    Raises:
        CannotInferPipeline: The table cannot be read, has no rows, or a CSV has no header.
    """
    source, table = _read_in_any_encoding(source)
    if not table.num_rows:
        raise CannotInferPipeline(f"{source.label} has columns but no rows.")
    if source.kind == "csv":
        _check_header(table, source)
    table = _with_bytes_as_text(table)
    style = infer_number_format(table, hints, semicolons=_has_semicolons(source)).style
    return source.model_copy(update=style._asdict()), table


def explain_source(source: SourceSpec, table: pa.Table, hints: Hints) -> tuple[Inference, ...]:
    """Return the evidence for how the table is read: the line of the header, and how numbers are written.

    Args:
        source: The source of `read_sample`.
        table: Its table.
        hints: What the user states.

    Returns:
        The inferences; none for plain numbers below a header in the first line.
    """
    inferences = []
    if source.kind == "csv" and (skip := sample_dialect(source).skip):
        evidence = f"the {skip} above it {'are' if skip > 1 else 'is'} not part of the table; or set source.skip"
        inferences.append(Inference("header", f"line {skip + 1}", "likely", evidence))
    return (*inferences, *infer_number_format(table, hints, semicolons=_has_semicolons(source)).inferences)


def _has_semicolons(source: SourceSpec) -> bool:
    return source.kind == "csv" and sample_dialect(source).delimiter == ";"


def _with_bytes_as_text(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_binary(field.type) or pa.types.is_fixed_size_binary(field.type):
            table = table.set_column(index, field.name, names_as_text(table.column(index)))
    return table


def _read_in_any_encoding(source: SourceSpec) -> tuple[SourceSpec, pa.Table]:
    """Read in the first encoding that fits; if none fits, the error of the first is reported."""
    first_error: SourceUnreadable | None = None
    for encoding in ENCODINGS if source.kind in ("csv", "json") else ENCODINGS[:1]:
        encoded = source.model_copy(update={"encoding": encoding})
        try:
            return encoded, read_source(encoded, optional=None)
        except SourceUnreadable as error:
            first_error = first_error or error
            if "encod" not in str(error) and "written in" not in str(error):
                break
    text = "; ".join(first_error.findings if first_error else ()).replace("source.sheet", "--table")
    if isinstance(first_error, SourceUnreachable):
        raise TableUnreachable(f"{source.label} cannot be reached: {text}. Check server and password.") from first_error
    raise CannotInferPipeline(f"{source.label}: {text}") from first_error


def _refuse_secrets(address: str) -> None:
    """Raise SpecError for a password, because init writes the address to a file; a ${NAME} is accepted."""
    password = re.search(r"://[^:@/]*:(.*)@", address)
    in_query = re.search(rf"[?&][^=]*(?:{SECRET_NAME.pattern})[^=]*=(?!\$)", address, re.IGNORECASE)
    if in_query or (password and not VARIABLE_REFERENCE.fullmatch(password[1])):
        shown = redact(address).split("?", 1)[0]
        raise SpecError(
            f"{shown} contains a password, and init writes the address to a file. Write ${{PASSWORD}} in its place, in "
            "quotes for your shell, and set that environment variable; or omit it if the environment has credentials."
        )


def _is_database(scheme: str) -> bool:
    try:
        registry.load(scheme.replace("+", ".") if "+" in scheme else scheme)
    except SQLAlchemyError:
        return scheme in ("postgres", "postgresql")
    except ImportError:  # a known database whose driver is not installed: reading reports which
        return True
    return True


def _only_table(url: str) -> str:
    """Return the table of a database that has only one; otherwise raise SpecError with the names of all."""
    probe = SourceSpec(kind="sql", url=url, table="?")
    with translate_errors(probe) as ready:
        file = re.fullmatch(r"sqlite:///([^?]+)(?:\?.*)?", ready.url)
        if file and not Path(file[1]).is_file():
            raise SpecError(f"{url}: the file does not exist.")
        if not file:
            raise SpecError(f"which table of {probe.label.removesuffix(' (?)')}? Name it with --table.")
        engine = create_engine(ready.url)
        names = [*inspect(engine).get_table_names(), *inspect(engine).get_view_names()]
        engine.dispose()
    if len(names) != 1:
        known = join_names(sorted(names), 12) or "none"
        raise SpecError(f"{url} has {len(names)} tables: {known}. Name one with --table.")
    return str(names[0])


def _infer_files(address: str, remote: bool) -> dict[str, Any]:
    """Return kind and path of a file source; a folder with other files beside its tables becomes a glob."""
    is_pattern = re.search(r"[*?\[]", address) is not None and not Path(address).exists()
    obstacle = "" if remote or is_pattern else describe_obstacle(address)
    if obstacle or (not remote and not is_pattern and not Path(address).exists()):
        raise CannotInferPipeline(f"{address} {obstacle}.") if obstacle else SpecError(f"{address}: no such file.")
    if remote or is_pattern or not Path(address).is_dir():
        return {"kind": _kind_of_files([address], address), "path": address}
    names = [name for name in _list_folder(address) if _kind_of_suffix(name)]
    kind = _kind_of_files(names, address)
    if kind == "parquet":
        with translate_errors(SourceSpec(kind="parquet", path=address)) as ready:
            kind = resolve_lake_table(ready).kind
    root = str(Path(address).absolute())
    visible = [name for name in BoundedFileSystem().find(root) if not is_hidden(name.removeprefix(root))]
    if all(_kind_of_suffix(name) for name in visible) or kind in LAKE_PACKAGES:
        return {"kind": kind, "path": address}
    paths = [Path(name) for name in names]
    suffixes = {"".join(path.suffixes[-2:]) if path.suffix in COMPRESSED_SUFFIXES else path.suffix for path in paths}
    if len(suffixes) > 1:
        raise SpecError(f"{address} has files of {join_names(sorted(suffixes))}; give one of them, or a glob.")
    below = "" if all(path.parent == Path(address).absolute() for path in paths) else "**/"
    glob = f"{address.rstrip('/')}/{below}*{suffixes.pop()}"
    only = str(Path(address) / paths[0].relative_to(Path(address).absolute())) if len(paths) == 1 else ""
    return {"kind": kind, "path": only or glob}


def _list_folder(address: str) -> list[str]:
    """Return the absolute paths of the files that a source of the folder reads; none if it is empty."""
    try:
        return list_source_files(fsspec.filesystem("file"), str(Path(address).absolute()))
    except FileNotFoundError:
        return []
    except UnsuitablePath as unsuitable:
        raise CannotInferPipeline(f"{address}: {unsuitable}.") from unsuitable


def _kind_of_files(names: list[str], address: str) -> Any:
    kinds = sorted({kind for name in names if (kind := _kind_of_suffix(name))})
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise SpecError(
            f"{address} has files of several kinds, {join_names(kinds)}; give a glob such as "
            f"{address.rstrip('/')}/*{SUFFIXES[kinds[0]][0]}."
        )
    known = [suffix for kind in ("csv", "parquet", "json", "arrow", "orc", "excel") for suffix in SUFFIXES[kind]]
    raise SpecError(
        f"{address} has no table. The name of a table must end with {', '.join(known)}, or with that and a "
        "compression suffix such as .gz."
    )


def _kind_of_suffix(name: str) -> str | None:
    stem = name.lower()
    for suffix in COMPRESSED_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return next((kind for kind, suffixes in SUFFIXES.items() if stem.endswith(suffixes)), None)


def _check_header(table: pa.Table, source: SourceSpec) -> None:
    names = table.column_names
    numbers = [name for name in names if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", name)]
    if len(numbers) > len(names) / 2:
        raise CannotInferPipeline(
            f"the first line of {source.label} is {', '.join(names[:MAX_SHOWN_NAMES])} …: numbers instead of column "
            "names. Add a header such as time,y and a column with the time of each row."
        )
