"""Settings of a backtest: when models are fitted, which models are meant, what is refused."""

import pytest

from data_contracts.errors import SpecError
from tasks.backtest.settings import BacktestSpec


@pytest.mark.parametrize(
    ("refit", "expected"), [("never", (0,)), ("each", (0, 1, 2, 3, 4)), ("2", (0, 2, 4)), ("9", (0,))]
)
def test_models_are_fitted_at_every_nth_origin(refit: str, expected: tuple[int, ...]) -> None:
    assert BacktestSpec.parse(None, refit, (), "equal").fit_origins(5) == expected


@pytest.mark.parametrize(
    ("refit", "weights", "message"),
    [
        ("0", "equal", "--refit '0' is not a valid choice. Give never, each, or a number of origins from 1"),
        ("-3", "equal", "--refit '-3'"),
        ("often", "equal", "--refit 'often'"),
        ("never", "sales", "--weights 'sales' is not a valid choice. Give equal or volume."),
    ],
)
def test_wrong_option_names_the_choices(refit: str, weights: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        BacktestSpec.parse(None, refit, (), weights)


def test_champion_is_the_default_without_a_refit_only() -> None:
    assert BacktestSpec().fixed_models == ("champion",)
    assert BacktestSpec(refit="each").fixed_models == ()
    assert BacktestSpec(refit=7, models=("champion", "3", "champion")).fixed_models == ("champion", "3")
