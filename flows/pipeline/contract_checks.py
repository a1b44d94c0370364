"""Check the contract of a pipeline against the source, and whether its file may bring code."""

from pathlib import Path

from data_contracts.contract import Contract
from data_contracts.errors import SpecError
from tasks.sources.spec import SourceSpec
from tasks.sources.trusted_code import check_contract_code


def check_contract(contract: Contract, path: Path, ds: object, source: SourceSpec) -> Contract:
    """Return the contract of a pipeline.

    Args:
        contract: The compiled contract.
        path: Its ODCS document.
        ds: The time column of the pipeline.
        source: The source of the pipeline.

    Returns:
        The contract, unchanged.

    Raises:
        SpecError: The contract and the source disagree on the time zone, or the contract has code in it and other
            users can change it.
    """
    check_contract_code(contract, path, source.document)
    zones = [column.zone for column in contract.columns if column.name == ds]
    if source.timezone and any(zone and zone != source.timezone for zone in zones):
        raise SpecError(
            f"the time zone of {ds} is {zones[0]} in {path} (defaultTimezone), but {source.timezone} in the pipeline "
            "(source.timezone). Change one of them."
        )
    return contract
