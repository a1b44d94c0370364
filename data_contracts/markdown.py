"""Render a contract as a page of Markdown: columns, rules, service levels and consequences."""

from collections.abc import Iterator

from data_contracts.contract import Column, Contract, ServiceLevel
from data_contracts.rules import QualityRule

OUTCOMES = {
    "error": "stops the night",
    "warning": "the rows go to quarantine, the night continues",
    "info": "only reported",
    "series": "the series is excluded for the night, the others continue",
}


def render_markdown(contract: Contract) -> str:
    """Return the page. It depends on the contract alone."""
    parts = [f"# {_escape(contract.title or contract.id)}", f"Contract `{_escape(contract.label)}`."]
    parts += [_escape(contract.purpose)] if contract.purpose else []
    parts += ["## Columns", "\n".join(_columns(contract)), *_below_the_columns(contract)]
    parts += ["## Rules", "\n".join(_rules(contract))]
    if contract.levels:
        parts += ["## Service levels", "\n".join(_level(level) for level in contract.levels)]
    if contract.informal_rules:
        parts += [
            "## Informal rules (not evaluated)",
            "\n".join(f"- {_escape(word)}" for word in contract.informal_rules),
        ]
    return "\n\n".join(parts) + "\n"


def _columns(contract: Contract) -> Iterator[str]:
    yield "| column | type | unit | empty? | meaning | examples |"
    yield "|---|---|---|---|---|---|"
    for column in contract.columns:
        cells = (
            f"`{_escape(column.name)}`" + (" (key)" if column.key else ""),
            _type(column),
            column.unit or "",
            "never" if column.required else "may be",
            column.description,
            ", ".join(column.examples),
        )
        yield "| " + " | ".join(_escape(cell) if number else cell for number, cell in enumerate(cells)) + " |"


def _type(column: Column) -> str:
    parts = [column.promised]
    parts += [f"written {column.format}"] if column.format else []
    parts += ["with a zone or offset"] if column.zoned else []
    parts += [f"in {column.zone} if it carries no zone"] if column.zone else []
    return ", ".join(parts)


def _below_the_columns(contract: Contract) -> Iterator[str]:
    if contract.key:
        yield f"One row for each {', '.join(f'`{_escape(name)}`' for name in contract.key)}."
    if contract.extra_columns_pattern:
        yield f"Further columns are allowed if their names match `{_escape(contract.extra_columns_pattern)}`."


def _rules(contract: Contract) -> Iterator[str]:
    for rule in contract.rules:
        yield _rule(rule)
    yield (
        "- A row that is not an observation (text for a number, an empty required value, a repeated key, a time off "
        f"the grid): {OUTCOMES[contract.row_faults]}."
    )


def _rule(rule: QualityRule) -> str:
    consequence = OUTCOMES["series" if (rule.severity, rule.scope) == ("error", "series") else rule.severity]
    where = ", ".join(f"`{_escape(name)}`" for name in rule.columns)
    allowed = rule.allowed.sentence if rule.allowed and not rule.allowed.none_at_all else ""
    what = "rows" if not rule.columns else "violations"
    details = [
        where,
        f"{allowed} {what}" if allowed else "",
        "evaluated for each series" if rule.scope == "series" else "",
        consequence,
    ]
    text = rule.sentence if rule.sentence == rule.name else f"{rule.name}: {rule.sentence}"
    return f"- {_escape(text.rstrip('.'))} ({'; '.join(filter(None, details))})."


def _level(level: ServiceLevel) -> str:
    description = f" {_escape(level.description)}" if level.description else ""
    if not level.enforced:
        return (
            f"- {_escape(level.property)}: {_escape(level.value)}; informal, not evaluated by Nightcast.{description}"
        )
    each = " of each series" if level.scope == "series" else ""
    outcome = "series" if (level.severity, level.scope) == ("error", "series") else level.severity
    consequence = "only reported" if outcome in ("warning", "info") else OUTCOMES[outcome]
    promise = f"the newest observation{each} is at most {level.value} old"
    return f"- {level.property}: {promise}. If it is older: {consequence}.{description}"


def _escape(text: str) -> str:
    """Escape text so that it cannot end a cell, begin a tag or break a line."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;").replace("`", "'")
