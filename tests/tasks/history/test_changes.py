"""What readers notice from vintage to vintage is on record: levels, columns, series."""

from pathlib import Path

import pytest

from tasks.history.changes import VintageShape, describe_level_change, diff_vintages, record_changes
from tasks.history.reader import PublishedReader
from tasks.storage.layout import changes_uri
from tasks.storage.store import Store
from tests.tasks.history.conftest import night, publish_forecasts

RECORD = """# Changes of the forecasts of shop

What readers notice, by vintage.

## 2024-03-09T000000Z

- quantile levels added: q05, q95
- quantile levels dropped: q10, q90

## 2024-03-10T000000Z

- series added: c

"""


def shape(columns: str, series: str = "a b") -> VintageShape:
    return VintageShape(frozenset(columns.split()), frozenset(series.split()))


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        (shape("y_hat q10 q90"), shape("y_hat q10 q90"), []),
        (
            shape("y_hat q10 q90"),
            shape("y_hat q025 q90 store"),
            ["quantile levels added: q025", "quantile levels dropped: q10", "columns added: store"],
        ),
        (shape("q50", "a b"), shape("q50", "b c"), ["series added: c", "series gone: a"]),
    ],
)
def test_differences_of_two_vintages(before: VintageShape, after: VintageShape, sentences: list[str]) -> None:
    assert [change.sentence for change in diff_vintages(before, after)] == sentences


@pytest.mark.parametrize(
    ("columns", "levels", "sentence"),
    [
        (["y_hat", "q10", "q50", "q90"], (0.1, 0.5, 0.9), ""),
        ([], (0.5,), ""),
        (["q10", "q50", "q90"], (0.05, 0.5, 0.9), "newest published vintage: q05 added; q10 dropped."),
    ],
)
def test_levels_of_a_spec_are_compared_with_the_newest_vintage(
    columns: list[str], levels: tuple[float, ...], sentence: str
) -> None:
    said = describe_level_change(columns, levels)
    assert sentence in said
    assert bool(said) == bool(sentence)


def test_record_has_a_section_per_vintage_that_differs_and_a_rerun_gives_the_same_bytes(store: Store) -> None:
    assert record_until(8, store) == ()
    assert store.bytes_at(changes_uri("shop")).decode() == RECORD.split("## 2024-03-09", maxsplit=1)[0]
    assert record_until(9, store) == ("quantile levels added: q05, q95", "quantile levels dropped: q10, q90")
    assert record_until(10, store, "abc") == ("series added: c",)
    assert store.bytes_at(changes_uri("shop")).decode() == RECORD
    record_changes("shop", night(9), store)
    record_changes("shop", night(10), store)
    assert store.bytes_at(changes_uri("shop")).decode() == RECORD


def test_record_that_was_deleted_is_written_from_all_vintages(shop: Store) -> None:
    assert record_changes("shop", night(10), shop) == ("series added: c",)
    assert (Path(shop.root) / changes_uri("shop")).read_text() == RECORD


def test_backfilled_vintage_changes_the_section_of_the_next(store: Store) -> None:
    record_until(8, store)
    record_until(10, store)
    record_until(9, store)
    assert store.bytes_at(changes_uri("shop")).decode() == RECORD.split("## 2024-03-10", maxsplit=1)[0]


def test_changes_are_a_table_too(shop: Store) -> None:
    table = PublishedReader(pipeline="shop", store=shop).changes().to_pylist()
    assert [(row["as_of"].day, row["change"], row["names"]) for row in table] == [
        (9, "quantile levels added", "q05, q95"),
        (9, "quantile levels dropped", "q10, q90"),
        (10, "series added", "c"),
    ]


def record_until(day: int, store: Store, names: str = "ab") -> tuple[str, ...]:
    publish_forecasts(day, store, names)
    return record_changes("shop", night(day), store)
