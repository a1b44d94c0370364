"""`${NAME}` in a source: filled in from the environment when it is read, and blotted out of every message after."""

import os
import re
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from data_contracts.errors import SpecError
from tasks.sources.spec import SourceSpec

PLACE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
FILLED = ("path", "url", "table", "storage", "parameters", "arguments")
SHORT = 4  # a secret of fewer letters is replaced as a word only, for it may be part of any other


class Secrets:
    """What a filled-in source holds that nobody may read: value -> what to show in its place."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def keep(self, value: str, shown: str) -> None:
        """Remember a value, as it is, and as a URL, a driver or Python writes it."""
        for written in {value, quote(value, safe=""), quote(value), unquote(value), repr(value)[1:-1]}:
            if written.strip():
                self._known.setdefault(written, shown)

    def keep_url(self, url: str, shown: str = "…") -> None:
        """Remember the password of a URL, and what its query says."""
        if "://" not in url:
            return
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            found = re.search(r"://[^:@/]*:(.*)@", url)
            parts = [found[1]] if found else []
        else:
            parts = [str(parsed.password)] if parsed.password else []
            parts += [str(value) for key, value in parsed.query.items() if "pass" in key.lower()]
        for part in parts:
            self.keep(part, shown)

    def hidden(self, message: str) -> str:
        """`message` without any of them, the longest first, and all at once: what is shown is not searched again."""
        known = sorted(self._known, key=len, reverse=True)
        if not known:
            return message
        parts = [re.escape(one) if len(one) >= SHORT else rf"(?<!\w){re.escape(one)}(?!\w)" for one in known]
        return re.sub("|".join(parts), lambda found: self._known[found.group()], message)


def resolve_secrets(source: SourceSpec) -> tuple[SourceSpec, Secrets]:
    """The source as it is read. Raises SpecError for a variable that is not set."""
    secrets = Secrets()
    changes = {name: _fill(getattr(source, name), secrets) for name in FILLED}
    for place in (changes["path"], changes["url"]):
        secrets.keep_url(place)
    for name, value in source.storage.items():
        if isinstance(value, str) and source.model_dump()["storage"][name] == "…":
            secrets.keep(value, "…")
    return source.model_copy(update=changes), secrets


def _fill(value: Any, secrets: Secrets) -> Any:
    if isinstance(value, dict):
        return {key: _fill(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [_fill(one, secrets) for one in value]
    return PLACE.sub(lambda found: _one(found, secrets), value) if isinstance(value, str) else value


def _one(found: re.Match[str], secrets: Secrets) -> str:
    if found.group() == "$${":
        return "${"
    name = found[1]
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or not found.group().endswith("}"):
        raise SpecError(f"the source says {found.group()}, which names no variable; a plain ${{ is written $${{.")
    value = os.environ.get(name)
    if value is None:
        raise SpecError(f"the source needs ${{{name}}}, which the environment does not set; set it, and run again.")
    secrets.keep(value, f"${{{name}}}")
    secrets.keep_url(value, f"${{{name}}}")
    return value
