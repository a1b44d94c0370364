"""The service levels that end a contract: `endOfLife` stops nights after it, `endOfSupport` is a warning."""

from datetime import UTC, datetime, timedelta

from data_contracts.contract import Contract
from data_contracts.errors import ContractExpired, SpecError

WARNING_TIME = timedelta(days=30)  # before the end of life
DAY_CHARACTERS = len("2024-12-31")


def require_current(contract: Contract, as_of: datetime) -> None:
    """Raise ContractExpired if the end of life of a contract is not after the as-of."""
    end = _end(contract, "endOfLife")
    if end and as_of >= end[0]:
        raise ContractExpired(
            f"the contract {contract.label} reached its end of life on {end[1]} (endOfLife in its slaProperties), and "
            f"this night is as of {as_of:%Y-%m-%d %H:%M} UTC. Name the contract that replaces it in the pipeline, or "
            "agree on a later endOfLife with its owner, then run the same night again."
        )


def expiry_warning(contract: Contract, as_of: datetime) -> str:
    """Return that a contract ends soon, or that its support has ended; empty otherwise."""
    life, support = _end(contract, "endOfLife"), _end(contract, "endOfSupport")
    if life and as_of >= life[0] - WARNING_TIME:
        return f"the contract {contract.label} ends on {life[1]} (endOfLife); later nights will be refused"
    if support and as_of >= support[0]:
        return f"the support of the contract {contract.label} ended on {support[1]} (endOfSupport)"
    return ""


def _end(contract: Contract, name: str) -> tuple[datetime, str] | None:
    """Return the instant of a level in UTC and its text; a date includes its day, a naive time is UTC."""
    text = next((level.value for level in contract.levels if level.property == name), "").strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(
            f"{name} of the contract {contract.label} is {text!r}, which is not a date. Write 2026-12-31."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment + timedelta(days=len(text) == DAY_CHARACTERS), text
