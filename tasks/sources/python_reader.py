"""A table that a function of the user's makes: `module:function`, called in this process."""

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
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
from tasks.sources import arrow_columns, limits
from tasks.sources.limits import check_limit, source_error
from tasks.sources.spec import SourceSpec


def read_callable(source: SourceSpec, choose: Callable[[list[str]], list[str]], as_of: datetime) -> pa.Table:
    """The columns of `choose` of what it returns; no rows where one is missing.

    Raises SpecError where there is no such function or it takes other arguments, SourceUnreadable where it fails.
    """
    with _importing(source.folder), contextlib.redirect_stdout(sys.stderr):  # stdout is for the result of the command
        function, arguments = _bound(source, as_of)
        try:
            made = function(**arguments)
        except (Exception, SystemExit) as error:
            raise source_error(source, _failed(error)) from error
        table = _as_arrow(made, source)
    names = table.column_names
    wanted = choose(names)
    if set(wanted) - set(names):
        return table.slice(0, 0)
    places = [place for place, name in enumerate(names) if name in set(wanted)]
    chosen = pa.table([table.column(place) for place in places], names=[names[place] for place in places])
    check_limit(chosen.num_rows * chosen.num_columns, limits.MAX_VALUES, "values", source)
    check_limit(chosen.nbytes, limits.MAX_BYTES, "bytes", source)
    return chosen


@contextlib.contextmanager
def _importing(folder: str) -> Iterator[None]:
    before, writing = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # nothing is left beside the YAML, and a module changed within a second is read anew
    sys.path[:0] = [folder] if folder else []
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = before, writing


def _bound(source: SourceSpec, as_of: datetime) -> tuple[Callable[..., Any], dict[str, Any]]:
    name, _, path = (source.callable or "").partition(":")
    try:
        function: Any = _module(name, source.folder)
        for part in path.split("."):
            function = getattr(function, part)
    except ModuleNotFoundError as missing:
        raise SpecError(
            f"the callable {source.shown} can't be imported: {missing}; it lies beside the YAML, or is installed."
        ) from missing
    except AttributeError as missing:
        raise SpecError(f"the module {name} has no {path}: {missing}") from missing
    except (Exception, SystemExit) as error:
        raise source_error(source, f"its module can't be imported: {_failed(error)}") from error
    if not callable(function):
        raise SpecError(f"the callable {source.shown} is {type(function).__name__}, and can't be called.")
    signature = inspect.signature(function)
    arguments = dict(source.arguments)
    if "as_of" in signature.parameters and "as_of" not in arguments:
        arguments["as_of"] = as_of
    try:
        signature.bind(**arguments)
    except TypeError as unfit:
        raise SpecError(f"the callable {source.shown}{signature} does not take these arguments: {unfit}.") from unfit
    return function, arguments


def _module(name: str, folder: str) -> ModuleType:
    """The module beside the YAML, read anew under a name of its own, or an installed one."""
    file = Path(folder) / f"{name.replace('.', '/')}.py"
    if not folder or not file.is_file():
        return importlib.import_module(name)
    ours = f"nightcast_source_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]}"
    found = importlib.util.spec_from_file_location(ours, file)
    if found is None or found.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    module = importlib.util.module_from_spec(found)
    sys.modules[ours] = module
    found.loader.exec_module(module)
    return module


def _failed(error: BaseException) -> str:
    if isinstance(error, NightcastError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({Path(last[0].filename).name}, line {last[0].lineno})" if last else ""
    return f"it raised {type(error).__name__}: {' '.join(str(error).split())}{where}"


def _as_arrow(made: Any, source: SourceSpec) -> pa.Table:
    if isinstance(made, pa.RecordBatch):
        return pa.Table.from_batches([made])
    if isinstance(made, pa.Table):
        return made
    if not isinstance(made, pd.DataFrame):
        reason = f"it returned {type(made).__name__}; return a pandas DataFrame or an Arrow table"
        raise source_error(source, reason)
    frame = made.reset_index() if any(name is not None for name in made.index.names) else made
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pa.table(columns, names=[str(name) for name in frame.columns])


def _column(values: pd.Series) -> pa.Array:
    if values.dtype == object:
        return arrow_columns.column(values.astype(object).where(values.notna(), None).tolist())
    return pa.Array.from_pandas(values)
