"""Resolve `${NAME}` in a source from the environment when it is read, and hide the values in every later message."""

import base64
import json
import os
import re
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from data_contracts.errors import SpecError, redact, redact_settings
from tasks.sources.redaction import SECRET_NAME, is_secret
from tasks.sources.spec import SourceSpec

REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
FIELDS = ("path", "url", "table", "storage", "parameters", "arguments")
ADDRESS = re.compile(r"\b[a-z][\w+.-]*://\S+", re.IGNORECASE)
MIN_CHARACTERS = 4  # a shorter secret is replaced as a whole word only: it may be part of any other word


class Secrets:
    """The secret values of a resolved source, each with the text to show in its place."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def keep(self, value: str, shown: str) -> None:
        """Add a secret as it is, and as a URL, a driver or Python writes it."""
        encoded = base64.b64encode(value.encode()).decode()
        quoted = {quote(value, safe=""), quote(value), quote_plus(value), unquote(value)}
        for written in {value, *quoted, repr(value)[1:-1], json.dumps(value)[1:-1], encoded}:
            if written.strip():
                self._shown.setdefault(written, shown)

    def keep_url(self, url: str, shown: str = "…") -> None:
        """Add the password of a URL, and the values in its query whose names mean a secret, such as a signature."""
        if "://" not in url:
            return
        from sqlalchemy.engine import make_url  # takes half a second, and files do not need it
        from sqlalchemy.exc import ArgumentError

        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            match = re.search(r"://[^:@/]*:(.*)@", url)
            passwords = [match[1]] if match else []
        else:
            passwords = [str(parsed.password)] if parsed.password else []
            if parsed.username and parsed.password:  # as the header of HTTP has them
                passwords.append(base64.b64encode(f"{parsed.username}:{parsed.password}".encode()).decode())
        query = parse_qsl(url.partition("?")[2], keep_blank_values=False)
        passwords += [value for name, value in query if SECRET_NAME.search(name) and len(value) >= MIN_CHARACTERS]
        for password in passwords:
            self.keep(password, shown)

    def keep_settings(self, value: Any, name: str = "") -> None:
        """Add the values of settings whose names mean a secret, and the secrets in URLs among the others."""
        if isinstance(value, dict):
            for key, item in value.items():
                self.keep_settings(item, f"{name}/{key}")
        elif isinstance(value, list | tuple):
            for item in value:
                self.keep_settings(item, name)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            self.keep_url(str(value))
            if is_secret(name, value) and len(str(value)) >= MIN_CHARACTERS:
                self.keep(str(value), "…")
                self.keep(str(value).rpartition(" ")[2], "…")  # without Basic or Bearer

    def redact(self, message: str) -> str:
        """Replace every secret in `message`, by its value and by the patterns of `errors.redact`."""
        shown = redact_settings(self._without_values(message))
        return ADDRESS.sub(lambda match: redact(match.group()), shown)

    def _without_values(self, message: str) -> str:
        """Replace the longest value first, and all in one pass, so that no replacement is searched."""
        secrets = sorted(self._shown, key=len, reverse=True)
        if not secrets:
            return message
        parts = [
            re.escape(text) if len(text) >= MIN_CHARACTERS else rf"(?<!\w){re.escape(text)}(?!\w)" for text in secrets
        ]
        return re.sub("|".join(parts), lambda match: self._shown[match.group()], message)


def resolve_secrets(source: SourceSpec) -> tuple[SourceSpec, Secrets]:
    """Return the source with the values of its variables, and the secrets; raises SpecError if one is not set."""
    secrets = Secrets()
    changes = {name: _resolve(getattr(source, name), secrets) for name in FIELDS}
    for address in (changes["path"], changes["url"]):
        secrets.keep_url(address)
    for name in ("storage", "parameters", "arguments"):
        secrets.keep_settings(changes[name])
    return source.model_copy(update=changes), secrets


def _resolve(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, secrets) for item in value]
    return REFERENCE.sub(lambda match: _lookup(match, secrets), value) if isinstance(value, str) else value


def _lookup(reference: re.Match[str], secrets: Secrets) -> str:
    if reference.group() == "$${":
        return "${"
    name = reference[1]
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or not reference.group().endswith("}"):
        raise SpecError(
            f"the source contains {reference.group()}, which is not the name of a variable. Write ${{NAME}}, or escape "
            "a literal ${ as $${."
        )
    value = os.environ.get(name)
    if value is None:
        raise SpecError(
            f"the source uses ${{{name}}}, but the environment variable {name} is not set. Set it and run again."
        )
    secrets.keep(value, f"${{{name}}}")
    secrets.keep_url(value, f"${{{name}}}")
    return value
