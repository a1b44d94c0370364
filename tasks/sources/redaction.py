"""What a source shows of itself in dumps and messages: no credentials, no queries of URLs, no secret settings."""

import re
from typing import Any

from data_contracts.errors import redact

VARIABLE_REFERENCE = re.compile(r"\$\{\w+\}")  # a reference to a variable; its name is not secret
SECRET_NAME = re.compile(r"pass|pwd|secret|token|credential|(^|_)key", re.IGNORECASE)


def redact_url(url: str) -> str:
    """Return a URL without credentials, and without all that follows a question mark."""
    return redact(url).split("?", 1)[0]


def redact_values(value: Any, name: str = "") -> Any:
    """Replace the values of settings whose names mean a secret; a reference to a variable stays."""
    if isinstance(value, dict):
        return {key: redact_values(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item, name) for item in value]
    if isinstance(value, str) and not VARIABLE_REFERENCE.fullmatch(value):
        return "…" if SECRET_NAME.search(name) else redact_url(value) if "://" in value else value
    return value
