"""Read a table from a user's function, `module:function`, which is called in this process."""

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa

from data_contracts.errors import NightcastError, SpecError
from tasks.sources import arrow_columns
from tasks.sources.limits import check_bytes, check_rows, source_error
from tasks.sources.spec import SourceSpec
from tasks.sources.trusted_code import TrustedImports, check_document, check_trusted


def read_callable(source: SourceSpec, choose: Callable[[list[str]], list[str]], as_of: datetime) -> pa.Table:
    """Call the function and read the columns that `choose` picks.

    Args:
        source: The source, with its secrets resolved.
        choose: Picks among the column names of the table.
        as_of: Passed to a function that has a parameter `as_of`.

    Returns:
        The chosen columns; no rows if one of them is missing.

    Raises:
        SourceUnreadable: The function failed, or did not return a table.
        SpecError: The function does not exist, takes other arguments, or is in a file that other users can change.
    """
    check_document(source.document)
    with _import_path(source), contextlib.redirect_stdout(sys.stderr):  # stdout is for the result of the command
        function, arguments = _bind_function(source, as_of)
        table = _to_arrow(_call(function, arguments, source), source)
    names = table.column_names
    chosen = choose(names)
    if set(chosen) - set(names):
        return table.slice(0, 0)
    indices = [index for index, name in enumerate(names) if name in set(chosen)]
    selected = pa.table([table.column(index) for index in indices], names=[names[index] for index in indices])
    check_rows(selected.num_rows, selected.num_columns, source)
    check_bytes(selected.nbytes, source)
    return selected


def _call(function: Callable[..., Any], arguments: dict[str, Any], source: SourceSpec) -> Any:
    try:
        return function(**arguments)
    except SpecError:
        raise
    except (Exception, SystemExit) as error:
        raise source_error(source, _describe_failure(error)) from error


@contextlib.contextmanager
def _import_path(source: SourceSpec) -> Iterator[None]:
    path, dont_write, prefix = list(sys.path), sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode = True  # no files next to the YAML; a module that changed within a second is read again
    sys.pycache_prefix = os.devnull  # bytecode next to a module may be of another user
    sys.path[:0] = [source.folder] if source.folder else []
    finder = TrustedImports(source.document)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.path[:], sys.dont_write_bytecode, sys.pycache_prefix = path, dont_write, prefix


def _bind_function(source: SourceSpec, as_of: datetime) -> tuple[Callable[..., Any], dict[str, Any]]:
    name, _, path = (source.callable or "").partition(":")
    try:
        function: Any = _import_module(name, source)
        for part in path.split("."):
            function = getattr(function, part)
    except ModuleNotFoundError as missing:
        raise SpecError(
            f"the callable {source.label} can't be imported: {missing}; put its module next to the YAML, or install it."
        ) from missing
    except SpecError:
        raise
    except AttributeError as missing:
        raise SpecError(f"the module {name} has no {path}: {missing}") from missing
    except (Exception, SystemExit) as error:
        raise source_error(source, f"its module can't be imported: {_describe_failure(error)}") from error
    if not callable(function):
        raise SpecError(
            f"the callable {source.label} is {type(function).__name__}, which can't be called; name a function."
        )
    signature = inspect.signature(function)
    arguments = dict(source.arguments)
    if "as_of" in signature.parameters and "as_of" not in arguments:
        arguments["as_of"] = as_of
    try:
        signature.bind(**arguments)
    except TypeError as wrong:
        raise SpecError(f"the callable {source.label}{signature} does not take these arguments: {wrong}.") from wrong
    return function, arguments


def _import_module(name: str, source: SourceSpec) -> ModuleType:
    """Import the module next to the YAML, each time anew and under a unique name, or an installed module."""
    file = Path(source.folder) / f"{name.replace('.', '/')}.py"
    if not source.folder or not file.is_file():
        return importlib.import_module(name)
    if not file.resolve().is_relative_to(Path(source.folder).resolve()):
        raise SpecError(
            f"the callable {source.label} is in {file.resolve()}, outside the folder of the pipeline. Copy that "
            f"file to {source.folder}, or install its module."
        )
    check_trusted(file, source.document)
    unique_name = f"nightcast_source_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(unique_name, file)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique_name] = module
    spec.loader.exec_module(module)
    return module


def _describe_failure(error: BaseException) -> str:
    if isinstance(error, NightcastError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({Path(last[0].filename).name}, line {last[0].lineno})" if last else ""
    return f"it raised {type(error).__name__}: {' '.join(str(error).split())}{where}"


def _to_arrow(result: Any, source: SourceSpec) -> pa.Table:
    if isinstance(result, pa.RecordBatch):
        return pa.Table.from_batches([result])
    if isinstance(result, pa.Table):
        return result
    if not isinstance(result, pd.DataFrame):
        reason = f"it returned {type(result).__name__}; return a pandas DataFrame or an Arrow table"
        raise source_error(source, reason)
    if isinstance(result.index, pd.DatetimeIndex) and result.index.name is None:
        result = result.rename_axis("")  # as a CSV of the frame has it: the times are a column without a name
    frame = result.reset_index() if any(name is not None for name in result.index.names) else result
    columns = [_to_array(frame.iloc[:, index]) for index in range(frame.shape[1])]
    return pa.table(columns, names=[str(name) for name in frame.columns])


def _to_array(values: pd.Series) -> pa.Array:
    if values.dtype == object:
        return arrow_columns.column(values.astype(object).where(values.notna(), None).tolist())
    return pa.Array.from_pandas(values)
