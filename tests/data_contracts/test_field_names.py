"""An unknown field is compared with those that its mapping may have, then with those of other mappings."""

import pytest

from data_contracts.field_names import suggest_field
from data_contracts.spec import Spec


class Windowing(Spec):
    horizon: int
    lookback: int | None = None


class Model(Spec):
    cell: str
    hidden: int = 64


class Pipeline(Spec):
    name: str
    windowing: Windowing | None = None
    models: tuple[Model, ...] = ()


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (("windowng",), "windowing"),
        (("windowing", "horizont"), "windowing.horizon"),
        (("models", 1, "hiden"), "models.1.hidden"),
        (("horizon",), "windowing.horizon"),
        (("models", 0, "lookback"), "windowing.lookback"),
        (("windowing", "name"), "name"),
        (("colour",), ""),
        (("windowing", "colour"), ""),
        (("models", "first", "hiden"), ""),
    ],
)
def test_similar_or_misplaced_field_is_suggested(path: tuple[int | str, ...], meant: str) -> None:
    assert suggest_field(Pipeline, path) == meant
