"""What a source shows of itself in dumps and messages: no credentials, no queries of URLs, no secret settings."""

import re
from typing import Any

from data_contracts.errors import redact

VARIABLE_REFERENCE = re.compile(r"\$\{\w+\}")  # a reference to a variable; its name is not secret
SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|credential|(^|_)key|(access|api)-?key|auth(?!or(?!i))|bearer|cookie|signature"
    r"|(^|[_-])(sig|sas|pw)($|[_-])",
    re.IGNORECASE,
)
SECRET_NUMBER_NAME = re.compile(r"pass(word|wd|code|phrase)|pwd|secret|token|credential|(^|_)pin$", re.IGNORECASE)


def redact_url(url: str) -> str:
    """Return a URL without credentials, and without all that follows a question mark."""
    return redact(url).split("?", 1)[0]


def redact_values(value: Any, name: str = "") -> Any:
    """Replace the values of settings that `is_secret` names; references to a variable and booleans stay."""
    if isinstance(value, dict):
        return {key: redact_values(item, f"{name}/{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item, name) for item in value]
    if value is None or isinstance(value, bool) or (isinstance(value, str) and VARIABLE_REFERENCE.fullmatch(value)):
        return value
    if is_secret(name, value):
        return "…"
    return redact_url(value) if isinstance(value, str) and "://" in value else value


def is_secret(path: str, value: Any) -> bool:
    """Return whether a setting is secret by its name, or by that of a setting above; names are separated by /.

    A number is a secret under fewer names: `shop_key: 12` is the key of a row, and a change of it must be seen.
    """
    pattern = SECRET_NAME if isinstance(value, str) else SECRET_NUMBER_NAME
    return any(pattern.search(part) for part in path.split("/"))
