"""Digest of the source code that decides a step's result; part of every cache key.

step ──imports──> module ──imports──> module …   compiled without docstrings: comments and line numbers do not count
                    └── data files of its package, such as contracts and page templates
"""

import functools
import hashlib
import re
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).parents[2]
NAME, NAMES = r"((?:data_contracts|models|tasks|flows)[\w.]*)", r"(\([^)]*\)|[^\n#]*)"
IMPORT = re.compile(rf"^[ \t]*(?:from|import)[ \t]+{NAME}(?:[ \t]+import[ \t]+{NAMES})?", re.MULTILINE)
DATA_SUFFIXES = (".yaml", ".html", ".css")


@functools.cache
def code_digest(module: str) -> str:
    """Return the digest of a module and of all modules of this project that it imports, also inside functions.

    Args:
        module: Dotted name, such as tasks.evaluation.

    Returns:
        A SHA-256 in hex. Comments, the text of docstrings, layout and modules that are not imported do not change it.
    """
    digests, pending = dict[str, str](), [module]
    while pending:
        name = pending.pop()
        path = _path_of(name)
        if name in digests or path is None:
            continue
        digests[name] = _digest_of(path)
        pending += [*_imports_of(path), name.rpartition(".")[0]]
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def _path_of(module: str) -> Path | None:
    """Return the file of a module; None if it is a name inside a module, or of another project."""
    base = ROOT.joinpath(*module.split(".")) if module else ROOT / "nothing"
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@functools.cache
def _imports_of(path: Path) -> tuple[str, ...]:
    names = list[str]()
    for module, imported in IMPORT.findall(path.read_text(encoding="utf-8")):
        parts = re.findall(r"(\w+)(?:\s+as\s+\w+)?", imported)
        names += [module, *(f"{module}.{part}" for part in parts)]
    return tuple(names)


@functools.cache
def _digest_of(path: Path) -> str:
    """Return the digest of one file; that of the `__init__` of a package includes the data files of its folder."""
    digest = hashlib.sha256()
    _add_code(digest, compile(path.read_bytes(), path.name, "exec", optimize=2, dont_inherit=True))
    if path.name == "__init__.py":
        for file in sorted(path.parent.rglob("*")):
            if file.suffix in DATA_SUFFIXES:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _add_code(digest: "hashlib._Hash", code: CodeType) -> None:
    shape = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    digest.update(repr((shape, counts)).encode() + code.co_code + code.co_exceptiontable)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        else:
            ordered = sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
            digest.update(f"{type(constant).__name__} {ordered!r}".encode())
