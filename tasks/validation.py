"""Check the raw table: every row keeps the contract and is used, or goes to quarantine with the rule it broke."""

from datetime import datetime

from data_contracts.artifact import Artifact
from data_contracts.errors import ContractBroken
from tasks.engine.step import step
from tasks.intake.examination import examine_parts
from tasks.intake.raw_parts import open_raw_parts
from tasks.modeling.clean_table import keep_clean_table
from tasks.results.steps import ValidatedTable
from tasks.sources.dataset import DatasetSpec
from tasks.storage.layout import quarantine_dir
from tasks.storage.store import Store


@step
def validate(raw: Artifact, reading: DatasetSpec, as_of: datetime, store: Store) -> ValidatedTable:
    """Validate the raw table, and store the clean table and the quarantined rows.

    Args:
        raw: The raw table of ingestion.
        reading: How the source is read.
        as_of: The instant up to which observations are visible.
        store: Where the tables are stored.

    Returns:
        The clean table, its cutoff, the quarantine, the findings and the row counts.

    Raises:
        ContractBroken: A violation has severity error; the rejected rows are in quarantine.
    """
    with open_raw_parts(raw, reading, store) as parts:
        result = examine_parts(parts, reading, as_of)
    folder = quarantine_dir(reading.pipeline)
    quarantine = store.put(result.rejected, "quarantine", folder) if result.rejected is not None else None
    if result.stopping or result.panel is None or result.health is None or result.cutoff is None:
        error = contract_error(reading, result.stopping, quarantine)
        raise error
    clean = store.put_parts((part.frame() for part in result.panel.partitions()), "clean")
    keep_clean_table(clean, result.panel, store)
    return ValidatedTable(
        clean=clean,
        cutoff=result.cutoff,
        quarantine=quarantine,
        findings=result.findings,
        health=result.health,
        notes=result.notes,
        extreme=result.extreme,
    )


def contract_error(reading: DatasetSpec, findings: tuple[str, ...], quarantine: Artifact | None) -> ContractBroken:
    """Build the error of a source that broke its contract.

    Args:
        reading: How the source is read.
        findings: The violations that stop the night, one sentence each.
        quarantine: The stored rejected rows, if any.

    Returns:
        The error, to be raised by the caller.
    """
    where = quarantine.uri if quarantine else None
    return ContractBroken(f"the source {reading.source.label} of pipeline {reading.pipeline!r}", findings, where)
