"""Digest of the source code that decides a step's result; part of every cache key.

step ──imports──> module ──imports──> module …   syntax trees without docstrings: comments and layout do not count
                    └── the packages above it, with their data files, such as contracts and page templates
"""

import ast
import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("data_contracts", "models", "tasks", "flows")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # fields of a statement that hold statements
NAMED_IN_TEXT = re.compile(rf"Constant\(value='((?:{'|'.join(PACKAGES)})(?:\.\w+)+)'\)")  # as importlib is given it
NOT_DATA = (".py", ".pyc", ".md")


class SourceModule(NamedTuple):
    """What decides the behaviour of a module: its own digest, and the names that it may import."""

    digest: str
    imports: frozenset[str]


@functools.cache
def code_digest(module: str) -> str:
    """Return the digest of a module and of all modules of this project that it imports, also inside functions.

    Args:
        module: Dotted name, such as tasks.evaluation.

    Returns:
        A SHA-256 in hex. Comments, docstrings, layout and modules that are not imported do not change it; another
        minor version of Python does, as do the data files of the packages.
    """
    _read_loaded()
    digests = sorted((name, _read(name).digest) for name in import_closure(module))  # type: ignore[union-attr]
    return hashlib.sha256(repr((sys.version_info[:2], digests)).encode()).hexdigest()


@functools.cache
def import_closure(module: str) -> frozenset[str]:
    """Return the module, all modules of this project that it imports, also indirectly, and the packages above them."""
    closure, pending = set[str](), [module]
    while pending:
        name = pending.pop()
        source = None if name in closure else _read(name)
        if source is not None:
            closure.add(name)
            pending += [*source.imports, name.rpartition(".")[0]]
    return frozenset(closure)


@functools.cache
def _read_loaded() -> None:
    """Read the modules that this process has loaded, so that a file that is changed later does not count."""
    for name in list(sys.modules):
        if name.partition(".")[0] in PACKAGES:
            _read(name)


@functools.cache
def _read(module: str) -> SourceModule | None:
    """Read a module; None if the name is not that of a module of this project."""
    base = ROOT.joinpath(*module.split(".")) if module else ROOT / "nothing"
    path = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if path is None:
        return None
    source = _analyse(path.read_bytes(), module if path.name == "__init__.py" else module.rpartition(".")[0])
    if path.name != "__init__.py":
        return source
    digest = hashlib.sha256(source.digest.encode())
    for file in _data_files(path.parent):
        digest.update(f"\n{file.relative_to(path.parent).as_posix()}\n".encode() + file.read_bytes())
    return source._replace(digest=digest.hexdigest())


@functools.cache
def _analyse(code: bytes, package: str) -> SourceModule:
    """Return the digest and the imports of source code in a package. Depends on its arguments alone."""
    tree = ast.parse(code)
    imports = {name for statement in _strip(tree) for name in _imported(statement, package)}
    text = ast.dump(tree)
    imports.update(NAMED_IN_TEXT.findall(text))
    return SourceModule(hashlib.sha256(text.encode()).hexdigest(), frozenset(imports))


def _strip(tree: ast.Module) -> Iterator[ast.stmt]:
    """Remove the docstrings of a tree, and other statements that are only text; yield the statements that remain."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for field in BLOCKS:
            block = getattr(node, field, None)
            if isinstance(block, list):
                block[:] = [statement for statement in block if not _is_text(statement)]
                pending += block
        if isinstance(node, ast.stmt):
            yield node


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imported(statement: ast.stmt, package: str) -> Iterator[str]:
    """Yield the modules that a statement imports; some of the names may be those of functions in a module."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        parents = package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
        module = ".".join(filter(None, [*parents, statement.module]))
        yield module
        yield from (f"{module}.{alias.name}" for alias in statement.names)


def _data_files(folder: Path) -> list[Path]:
    """Return the data files of a package, without those of the packages in it, in a fixed order."""
    files = list[Path]()
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")):
            continue
        if path.is_dir():
            files += [] if (path / "__init__.py").exists() else _data_files(path)
        elif path.suffix not in NOT_DATA:
            files.append(path)
    return files
