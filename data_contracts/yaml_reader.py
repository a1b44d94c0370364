"""Read YAML documents: plain data only, and every error names file and line."""

import re
import textwrap
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from data_contracts.errors import CREDENTIAL_WORDS, SpecError, redact, redact_name
from data_contracts.field_names import suggest_field
from data_contracts.regular_files import describe_obstacle, open_without_waiting

MAX_DOCUMENT_BYTES = 1_000_000  # a pipeline has a few kilobytes; a megabyte is an accident or an attack
MAX_NESTING = 50
MAX_LISTED_ERRORS = 20


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: the other takes 20 seconds for a megabyte


# A part of a location that is not a key: pydantic names each type that a field may have.
_TYPE = re.compile(
    r"(?:str|int|float|bool|none|date|datetime|(?:tuple|list|set|dict|literal)\[.*|(?:function|constrained)-.*)$"
)
TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"


class _PlainLoader(_Loader):  # type: ignore[misc]
    """SafeLoader that rejects repeated keys and keys that are not plain text, and reads dates as they are written."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # without quotes, endOfLife: 2026-01-01 is text too
        first: [resolver for resolver in resolvers if resolver[0] != TIMESTAMP_TAG]
        for first, resolvers in _Loader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError(f"line {key.start_mark.line + 1}: a field name must be plain text.")
            if key.value in seen:
                line = key.start_mark.line + 1
                name = redact_name(key.value)
                raise SpecError(f"line {line}: the key {name!r} occurs twice. Keep one of them.")
            seen.add(key.value)
        fields: dict[Any, Any] = super().construct_mapping(node, deep)
        return fields


def read_document(path: Path) -> dict[str, Any]:
    """Read one YAML mapping from `path`.

    Returns:
        The fields of the document.

    Raises:
        SpecError: The file is missing, too large, not UTF-8, or not a plain YAML mapping; names file and line.
    """
    if obstacle := describe_obstacle(path, allow_devices=True):
        raise SpecError(f"{path} {obstacle}. Give the path of a YAML file.")
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1) or b""
        text = data.decode("utf-8")
    except FileNotFoundError as missing:
        raise SpecError(f"{path} does not exist.") from missing
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SpecError(f"{path} cannot be read as UTF-8 text: {unreadable}") from unreadable
    if len(data) > MAX_DOCUMENT_BYTES:
        raise SpecError(f"{path} has more than {MAX_DOCUMENT_BYTES:,} bytes, the limit of a pipeline or contract.")
    return mapping(text, str(path))


def mapping(text: str, where: str) -> dict[str, Any]:
    """Parse one YAML mapping.

    Args:
        text: The YAML text.
        where: Location of the text, which error messages begin with.

    Returns:
        The fields of the mapping.

    Raises:
        SpecError: The text is not a plain YAML mapping; names `where` and the line.
    """
    try:
        _check_events(text)
        document = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except SpecError as error:
        raise SpecError(f"{where}, {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as broken:  # ValueError: a date such as 2013-13-45
        raise SpecError(f"{where} is not valid YAML: {' '.join(_message_without_text(broken).split())}") from None
    if not isinstance(document, dict):
        kind = "nothing" if document is None else type(document).__name__
        raise SpecError(f"{where} holds {kind}, not a mapping of fields to values.")
    return document


def _check_events(text: str) -> None:
    """Refuse characters that are not text, aliases, which may expand without end, and values nested too deeply."""
    if special := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, special.start()) + 1
        raise ValueError(f"special characters are not allowed: U+{ord(special[0]):04X} in line {line}")
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise SpecError(f"line {line}: anchors and aliases are not supported. Write the value out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_NESTING:
                raise ValueError(f"in line {line}, values are nested deeper than {MAX_NESTING} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _message_without_text(error: Exception) -> str:
    """Return problem and position without the line itself, which may contain a password."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error)
    pairs = ((error.context, error.context_mark), (error.problem, error.problem_mark))
    parts = [
        f"{text or ''}{f' in line {mark.line + 1}, column {mark.column + 1}' if mark else ''}" for text, mark in pairs
    ]
    return ": ".join(part for part in parts if part)


def spec_error_from(path: Path | str, error: ValidationError, model: type[BaseModel] | None = None) -> SpecError:
    """Convert a pydantic error to one line per field, named as in the YAML.

    Args:
        path: The file, or what else was validated.
        error: What pydantic has found.
        model: The model of the document, of which an unknown field may be a misspelled one.

    Returns:
        The error with all lines.
    """
    fields = _by_field(error)
    lines = [f"  - {_describe(findings)}{_suggest(findings, model)}" for findings in fields[:MAX_LISTED_ERRORS]]
    if len(fields) > MAX_LISTED_ERRORS:
        lines.append(f"  - and {len(fields) - MAX_LISTED_ERRORS:,} more")
    return SpecError(f"{path} is not a valid document:\n" + "\n".join(lines))


def _by_field(error: ValidationError) -> list[list[ErrorDetails]]:
    """Group the findings by field, without those of types that were not meant: the parts of another one are wrong."""
    fields: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for finding in error.errors():
        fields.setdefault(_path(finding), []).append(finding)
    looked_at = {path[:depth] for path in fields for depth in range(1, len(path))}
    return [findings for path, findings in fields.items() if path not in looked_at or not _is_of_type(findings[0])]


def _path(finding: ErrorDetails) -> tuple[int | str, ...]:
    """Return the keys to a field, without the types that were tried."""
    location = finding["loc"]
    return location[:1] + tuple(part for part in location[1:] if not _TYPE.match(str(part)))


def _is_of_type(finding: ErrorDetails) -> bool:
    return len(finding["loc"]) > 1 and _TYPE.match(str(finding["loc"][-1])) is not None


def _describe(findings: list[ErrorDetails]) -> str:
    """Return field, problem and value as one line, without secrets."""
    value, kinds = findings[0]["input"], {finding["type"] for finding in findings}
    field = ".".join(redact_name(part) for part in _path(findings[0])) or "the document"
    if "string_type" in kinds and isinstance(value, bool):
        return f"{field}: needs text, and YAML reads yes, no, on, off, true and false as truth values; put it in quotes"
    hidden = isinstance(value, dict | list) or bool(kinds & {"missing", "extra_forbidden", "dict_type"})
    hidden = hidden or re.search(CREDENTIAL_WORDS, field, re.IGNORECASE) is not None
    shown = "" if hidden else textwrap.shorten(redact(repr(value)), 80)
    if "string_type" in kinds and isinstance(value, int | float):
        return f"{field}: needs text, and YAML reads it as a number{shown and f', {shown}'}; put it in quotes"
    problems = list(dict.fromkeys(_problem(finding) for finding in findings))
    rest = [problem.removeprefix("Input should be ") for problem in problems[1:]]
    return f"{field}: {redact(' or '.join([*problems[:1], *rest]))}{shown and f' (got {shown})'}"


def _suggest(findings: list[ErrorDetails], model: type[BaseModel] | None) -> str:
    """Return the end of the line about an unknown field: which one was probably meant."""
    if model is None or findings[0]["type"] != "extra_forbidden":
        return ""
    meant = suggest_field(model, _path(findings[0]))
    return f"; did you mean {meant}?" if meant else ""


def _problem(finding: ErrorDetails) -> str:
    if finding["type"] in ("model_type", "dict_type"):
        return "Input should be a mapping of fields"
    return finding["msg"].replace("valid tuple", "valid list")
