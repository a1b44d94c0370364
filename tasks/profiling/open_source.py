"""Opens a table of which nothing is known but where it lies: the one place that turns words into a source."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import registry
from sqlalchemy.exc import SQLAlchemyError

from data_contracts.errors import SourceUnreadable, SpecError, redact
from data_contracts.yaml_reader import spec_error_from
from tasks.profiling.inference import CannotInferPipeline, join_names
from tasks.sources.errors import translate_errors
from tasks.sources.filesystem import SCHEMES
from tasks.sources.read import read_source
from tasks.sources.spec import NAMED, SECRET, SourceSpec
from tasks.sources.values import MISSING, parse_numbers

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
TEXT, PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
ENCODINGS = ("utf-8", "utf-16", "cp1252")  # in this order; the last one reads almost anything
SHOWN = 3
SAMPLE = 2000  # rows that tell how decimals are written


def infer_source(where: str, table: str | None = None) -> SourceSpec:
    """A file, a folder, a glob, an fsspec URL, or a table of a database. Raises SpecError, Unguessable."""
    _refuse_secrets(where)
    scheme, there, _ = where.partition("://")
    if there and scheme not in SCHEMES and _is_database(scheme):
        told = {"kind": "sql", "url": where, "table": table or _only_table(where)}
    elif there and scheme not in SCHEMES:
        raise SpecError(f"{where}: nothing is read by {scheme}://; give a file, a folder, s3://… or sqlite:///file.db.")
    elif table:
        raise SpecError(f"--table is for a database, such as sqlite:///file.db, and {where} is none.")
    else:
        told = _of_files(where, bool(there))
    try:
        return SourceSpec.model_validate(told)
    except ValidationError as error:
        raise spec_error_from(redact(where), error) from error


def read_sample(source: SourceSpec) -> tuple[SourceSpec, pa.Table]:
    """(the source as it is best read, all its columns). Raises Unguessable."""
    source, table = _read(source)
    if not table.num_rows:
        raise CannotInferPipeline(f"{source.shown} has columns and no rows.")
    if source.kind != "csv":
        return source, table
    _refuse_header_of_numbers(table, source)
    return source.model_copy(update={"decimal": _decimal(table)}), table


def _read(source: SourceSpec) -> tuple[SourceSpec, pa.Table]:
    """In the first encoding that fits; the reason of the first is the one that is told."""
    reason: SourceUnreadable | None = None
    for encoding in ENCODINGS if source.kind == "csv" else ENCODINGS[:1]:
        tried = source.model_copy(update={"encoding": encoding})
        try:
            return tried, read_source(tried)
        except SourceUnreadable as unreadable:
            reason = reason or unreadable
            if "encod" not in str(unreadable) and "written in" not in str(unreadable):
                break
    raise CannotInferPipeline(f"{source.shown}: {'; '.join(reason.findings if reason else [])}") from reason


def _refuse_secrets(where: str) -> None:
    """What init writes is kept: a password must stand there by its name."""
    found = re.search(r"://[^:@/]*:(.*)@", where)
    asked = re.search(rf"[?&][^=]*(?:{SECRET.pattern})[^=]*=(?!\$)", where, re.IGNORECASE)
    plain = asked or (found and not NAMED.fullmatch(found[1]))
    if plain:
        shown = redact(where).split("?", 1)[0]
        raise SpecError(
            f"{shown} carries a password, and what init writes is kept. Write ${{PASSWORD}} in its place, in quotes "
            "for your shell, and set that variable; or leave it out where the environment has credentials."
        )


def _is_database(scheme: str) -> bool:
    try:
        registry.load(scheme.replace("+", ".") if "+" in scheme else scheme)
    except SQLAlchemyError:
        return scheme in ("postgres", "postgresql")
    except ImportError:  # known, and its package is not installed: reading says which
        return True
    return True


def _only_table(url: str) -> str:
    """The table of a database that has one; else the names of all, to choose from."""
    probe = SourceSpec(kind="sql", url=url, table="?")
    with translate_errors(probe) as ready:
        file = re.fullmatch(r"sqlite:///([^?]+)(?:\?.*)?", ready.url)
        if file and not Path(file[1]).is_file():
            raise CannotInferPipeline(f"{url}: there is no such file.")
        if not file:
            raise SpecError(f"which table of {probe.shown.removesuffix(' (?)')}? Name it with --table.")
        engine = create_engine(ready.url)
        names = [*inspect(engine).get_table_names(), *inspect(engine).get_view_names()]
        engine.dispose()
    if len(names) != 1:
        known = join_names(sorted(names), 12) or "none at all"
        raise SpecError(f"{url} has {len(names)} tables: {known}. Name one with --table.")
    return str(names[0])


def _of_files(where: str, remote: bool) -> dict[str, Any]:
    globbed = re.search(r"[*?\[]", where) is not None and not Path(where).exists()
    if not remote and not globbed and not Path(where).exists():
        raise CannotInferPipeline(f"{where}: there is no such file or folder.")
    if remote or globbed or not Path(where).is_dir():
        return {"kind": _kind([where], where), "path": where}
    files = [path for path in sorted(Path(where).rglob("*")) if path.is_file() and path.name[0] not in "._"]
    tables = [path for path in files if _by_suffix(path.name)]
    told = {"kind": _kind([path.name for path in tables], where), "path": where}
    if len(tables) < len(files):  # a README lies among them
        suffixes = {"".join(path.suffixes[-2:]) if path.suffix in PACKED else path.suffix for path in tables}
        if len(suffixes) > 1:
            raise SpecError(f"{where} holds files of {join_names(sorted(suffixes))}; give one of them, or a glob.")
        below = "" if all(path.parent == Path(where) for path in tables) else "**/"
        told["path"] = str(tables[0]) if len(tables) == 1 else f"{where.rstrip('/')}/{below}*{suffixes.pop()}"
    return told


def _kind(names: list[str], where: str) -> Any:
    kinds = {kind for name in names if (kind := _by_suffix(name))}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds:
        raise SpecError(f"{where} holds both CSV and Parquet; give a glob such as {where.rstrip('/')}/*.csv.")
    raise SpecError(f"{where} holds nothing whose name ends with .csv, .tsv, .txt or .parquet, packed or not.")


def _by_suffix(name: str) -> str | None:
    plain = name.lower()
    for suffix in PACKED:
        plain = plain.removesuffix(suffix)
    return "parquet" if plain.endswith(PARQUET) else "csv" if plain.endswith(TEXT) else None


def _refuse_header_of_numbers(table: pa.Table, source: SourceSpec) -> None:
    names = table.column_names
    plain = [name for name in names if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", name)]
    if len(plain) > len(names) / 2:
        raise CannotInferPipeline(
            f"the first line of {source.shown} is {', '.join(names[:SHOWN])} …: numbers, no names of columns. Add a "
            "header such as time,y and a column with the time of each row."
        )


def _decimal(table: pa.Table) -> str:
    """A comma where columns are numbers only with it, and not all as 1,234 is: that may be more than a thousand."""
    for name in dict.fromkeys(table.column_names):
        if table.column_names.count(name) > 1:
            continue
        text = table[name].slice(0, SAMPLE).to_pandas().dropna().astype(str).str.strip()
        text = text[~text.str.lower().isin(MISSING)]
        marked = text[text.str.contains(",", regex=False)]
        if (
            len(marked)
            and not parse_numbers(text, ",")[1].any()
            and (marked.str.split(",").str[-1].str.len() != 3).any()
        ):
            return ","
    return "."
