"""Names and sentences use the terms of the field: no private words, one meaning per class name, plain English."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("deployments", "flows", "tasks", "models", "data_contracts")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}

# A word of an identifier, and the term to use in its place. `last_one` and `LAST_ONE` both hold the word `one`.
TERMS = {
    "told": "what it holds: message, lines, parameters, rows",
    "said": "what it holds: message, sentence, option",
    "found": "what it holds: matches, result, violations, changes",
    "one": "the singular of the collection: candidate, row, column",
    "ours": "canonical, challenger, or the thing itself",
    "theirs": "source, champion, or the thing itself",
    "mine": "the thing itself",
    "beside": "the relation: sibling, companion, relative_to",
    "aside": "excluded, overlay",
    "place": "index, uri, path, put_at",
    "lacking": "missing",
    "crown": "champion_label",
    "crowned": "new_champion",
    "judge": "validate, decide, evaluate",
    "judged": "validated, decided, evaluated",
    "learned": "trained, fitted",
    "usual": "default, typical",
    "somebody": "the role: writer, process, user",
}
# A word of a constant's name, and the pattern that says the quantity.
CONSTANT_TERMS = {
    "MOST": "MAX_",
    "LARGEST": "MAX_",
    "LONGEST": "MAX_",
    "LEAST": "MIN_",
    "FEWEST": "MIN_",
    "ENOUGH": "MIN_",
    "PAUSES": "RETRY_DELAYS_S",
    "LOOK": "POLL_INTERVAL_S",
    "OFTEN": "UPDATE_INTERVAL_S",
    "EVERY": "POLL_INTERVAL_S",
    "WITHIN": "TIMEOUT_S",
    "PATIENCE": "TIMEOUT_S",
    "ONCE": "BATCH_SIZE, MAX_CONCURRENT",
    "OURS": "RESERVED_",
}
DIALECT = re.compile(
    r"\bis no [a-z]+\b|\bare no [a-z]+s\b|\bthat is none\b|\bof ours\b|\bwhat (?:tells|came|is told)\b|\bso many\b"
    r"|\bthere is none\b|\bnobody can\b|\bby itself\b",
    re.IGNORECASE,
)
# Names that are stored: tensor names in bundles, keys of records. Renaming one makes stored data unreadable.
PERSISTED = {
    "models/networks/decoders.py": {"told", "each", "enter", "skip"},
    "tasks/results/row_counts.py": {"set_aside"},
    "tasks/search/conclusion.py": {"found"},
}


def words_of(identifier):
    return {word for word in identifier.strip("_").split("_") if word}


def bound_names(tree):
    """(name, line) of every variable, argument, attribute, function and class that the file binds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def private_names(tree, persisted=frozenset()):
    for name, line in bound_names(tree):
        if name in persisted:
            continue
        for word in words_of(name):
            if word in TERMS:
                yield f"line {line}: {name}: use {TERMS[word]}"
            elif name.isupper() and word in CONSTANT_TERMS:
                yield f"line {line}: {name}: use {CONSTANT_TERMS[word]}"


def dialect(tree):
    """(line, sentence) of docstrings, comments are not read, and of messages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = DIALECT.search(node.value)
            if match:
                yield f"line {node.lineno}: {match[0]!r}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_terms_of_the_field(path):
    persisted = PERSISTED.get(str(path.relative_to(ROOT)), frozenset())
    assert list(private_names(TREES[path], persisted)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sentences_are_plain_english(path):
    assert list(dialect(TREES[path])) == []


def test_no_class_name_has_two_meanings():
    defined = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.ClassDef):
                defined[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    ("planted", "check"),
    [
        ("told = 1", private_names),
        ("def f(found): ...", private_names),
        ("for one in rows: ...", private_names),
        ("MOST_ROWS = 3", private_names),
        ("raise ValueError(f'{x} is no number')", dialect),
        ("'''What tells a date from a time.'''", dialect),
    ],
)
def test_a_planted_private_word_is_reported(planted, check):
    assert len(list(check(ast.parse(planted)))) == 1
