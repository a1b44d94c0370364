"""Parameters of a run in MLflow: flat names, and no value is cut."""

from tasks.registry.logged_model import flatten_settings

LONG = "".join(f"{number:05d}" for number in range(2500))  # 12,500 characters


def test_nested_settings_have_dotted_names() -> None:
    settings = {
        "model": {"cell": "gru", "hidden": 64, "dropout": 0.1},
        "training": {"learning_rate": 0.001, "amp": None, "early": True},
        "quantiles": [0.1, 0.5],
        "view": {"features": {"known": ["plan", "hour"], "static": []}},
        "empty": {},
    }
    assert flatten_settings(settings) == {
        "model.cell": "gru",
        "model.hidden": "64",
        "model.dropout": "0.1",
        "training.learning_rate": "0.001",
        "training.amp": "null",
        "training.early": "true",
        "quantiles": "[0.1, 0.5]",
        "view.features.known": '["plan", "hour"]',
        "view.features.static": "[]",
        "empty": "{}",
    }


def test_long_value_is_split_under_numbered_names_and_not_cut() -> None:
    parts = flatten_settings({"vocabulary": LONG})
    assert list(parts) == ["vocabulary.1", "vocabulary.2", "vocabulary.3"]
    assert "".join(parts.values()) == LONG
    assert max(map(len, parts.values())) == 6000


def test_value_of_exactly_the_limit_is_one_parameter() -> None:
    assert list(flatten_settings({"ids": "x" * 6000})) == ["ids"]
