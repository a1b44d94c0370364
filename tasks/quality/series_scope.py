"""Whether the checks of a pipeline look at one series at a time, so that a table can be checked in parts."""

from data_contracts.metrics import MISSING, ROW_COUNT, UNIQUE
from data_contracts.property_options import MULTIPLE
from data_contracts.rules import QualityRule
from tasks.quality import column_rules, pair_rules
from tasks.sources.dataset import DatasetSpec


def are_series_checked_alone(reading: DatasetSpec) -> bool:
    """Return whether no check of a row needs a row of another series.

    Args:
        reading: How the source is read, with its contract.

    Returns:
        False for a wide table, a key over several series, and a rule that counts the rows of the whole table or
        computes a figure of it.
    """
    if not isinstance(reading.columns.y, str) or not reading.columns.id_columns:
        return False
    contract, ids = reading.contract, set(reading.columns.id_columns)
    if contract is None:
        return True
    key_is_local = not contract.key or ids <= set(contract.key)
    return key_is_local and all(_is_local(rule, ids) for rule in contract.rules)


def _is_local(rule: QualityRule, ids: set[str]) -> bool:
    """Return whether the rule holds for a table if it holds for each series, and finds the same rows."""
    if rule.expectation in UNIQUE and not ids <= set(rule.columns):
        return False
    by_row = rule.expectation in (MISSING, MULTIPLE, *pair_rules.OPTIONS) or column_rules.is_row_rule(rule)
    if rule.scope == "series":
        return by_row or rule.expectation == ROW_COUNT
    bounded = rule.allowed is not None and not rule.allowed.none_at_all
    return by_row and not bounded and float(rule.arguments.get("mostly") or 1.0) == 1.0
