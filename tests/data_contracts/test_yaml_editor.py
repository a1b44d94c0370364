"""A field is replaced, and the rest of the document is what its author wrote."""

import pytest

from data_contracts.errors import SpecError
from data_contracts.yaml_editor import rewrite_yaml
from data_contracts.yaml_reader import mapping

WRITTEN = """\
# Shops, hour by hour.
name: shops

models: # two of them
  - {cell: lstm, hidden: 64} # the old one
  - cell: gru
    hidden: 32
# How it learns.
training:
  max_epochs: 5

# What it is measured by.
evaluation: {metric: wql}
"""


def test_comments_and_other_fields_are_kept() -> None:
    changes = {"models": [{"cell": "gru", "hidden": 8}], "training": {"max_epochs": 5, "learning_rate": 0.001}}
    assert (
        rewrite_yaml(WRITTEN, changes, "shops.yaml")
        == """\
# Shops, hour by hour.
name: shops

models:
- {cell: gru, hidden: 8}
# How it learns.
training: {max_epochs: 5, learning_rate: 0.001}

# What it is measured by.
evaluation: {metric: wql}
"""
    )


def test_new_field_is_appended() -> None:
    assert rewrite_yaml("name: shops\n", {"freq": "h", "training": {"seed": 3}}, "shops.yaml") == (
        "name: shops\nfreq: h\ntraining: {seed: 3}\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{name: shops, training: {seed: 1}, freq: h}",
        "training:\n  seed: 1\nname: shops\nfreq: h\n...\n",
        "---\nname: shops\ntraining: {seed: 1\n  }\nfreq: h",
        '"name": shops\n"training":\nfreq: h\n',
        "name: >-\n  shops\ntraining: &a {seed: 1}\nfreq: h\n",
        "name: shops\r\ntraining:\r\n- a\r\n-\r\n  - b\r\nfreq: h\r\n",
    ],
)
def test_edited_document_equals_the_original_plus_the_change(text: str) -> None:
    changed = mapping(rewrite_yaml(text, {"training": {"seed": 2}, "models": []}, "shops.yaml"), "shops.yaml")
    assert changed == {"name": "shops", "training": {"seed": 2}, "freq": "h", "models": []}


def test_invalid_document_is_named() -> None:
    with pytest.raises(SpecError, match=r"shops\.yaml holds list"):
        rewrite_yaml("- a\n", {"training": {}}, "shops.yaml")
