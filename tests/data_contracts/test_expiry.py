"""A contract ends with its endOfLife: nights after it are refused, nights before it are not."""

from datetime import UTC, datetime

import pytest

from data_contracts.contract import Contract, ServiceLevel
from data_contracts.errors import ContractExpired, SpecError
from data_contracts.expiry import expiry_warning, require_current

ENDS = "the contract shop@1.0.0 ends on 2024-03-01 (endOfLife); later nights will be refused"


def contract(**levels: str) -> Contract:
    listed = tuple(ServiceLevel(property=name, value=value) for name, value in levels.items())
    return Contract(id="shop", version="1.0.0", columns=(), levels=listed)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 2, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "as_of", "expired"),
    [
        ("2024-02-08", at(8, 23), False),
        ("2024-02-08", at(9), True),
        ("2024-02-08T12:00:00", at(8, 11), False),
        ("2024-02-08T12:00:00", at(8, 12), True),
        ("2024-02-08T12:00:00-08:00", at(8, 19), False),
        ("2024-02-08T12:00:00-08:00", at(8, 20), True),
    ],
)
def test_night_after_the_end_of_life_is_refused(end: str, as_of: datetime, expired: bool) -> None:
    if not expired:
        require_current(contract(endOfLife=end), as_of)
        return
    with pytest.raises(ContractExpired, match=rf"shop@1\.0\.0 reached its end of life on {end} ") as refused:
        require_current(contract(endOfLife=end), as_of)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("levels", "warning"),
    [
        ({}, ""),
        ({"endOfLife": "2024-06-01"}, ""),
        ({"endOfLife": "2024-03-01"}, ENDS),
        ({"endOfSupport": "2024-02-01"}, "the support of the contract shop@1.0.0 ended on 2024-02-01 (endOfSupport)"),
        ({"endOfSupport": "2024-03-01"}, ""),
    ],
)  # fmt: skip
def test_contract_that_ends_soon_is_a_warning(levels: dict[str, str], warning: str) -> None:
    assert expiry_warning(contract(**levels), at(9)) == warning


def test_end_that_is_not_a_date_is_refused() -> None:
    with pytest.raises(SpecError, match=r"endOfLife of the contract shop@1\.0\.0 is 'soon', which is not a date"):
        require_current(contract(endOfLife="soon"), at(9))
