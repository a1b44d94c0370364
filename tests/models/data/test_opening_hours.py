"""Closed times as text and as slots of a week."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.opening_hours import describe_entry, parse_closed, write_closed


def slots(closed: np.ndarray) -> dict[int, list[int]]:
    return {day: np.flatnonzero(hours).tolist() for day, hours in enumerate(closed) if hours.any()}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((), {}),
        (("sun",), {6: list(range(24))}),
        (("Sunday",), {6: list(range(24))}),
        (("sat-sun",), {5: list(range(24)), 6: list(range(24))}),
        (("sat 14-24",), {5: list(range(14, 24))}),
        (("22-06",), {day: [0, 1, 2, 3, 4, 5, 22, 23] for day in range(7)}),
        (("22:00-06:00",), {day: [0, 1, 2, 3, 4, 5, 22, 23] for day in range(7)}),
        (("sat 22-02",), {5: [22, 23], 6: [0, 1]}),
        (("fri-mon 0-1",), {4: [0], 5: [0], 6: [0], 0: [0]}),
        (("sun", "12-13"), {**{day: [12] for day in range(6)}, 6: list(range(24))}),
    ],
)
def test_entries_are_read(entries: tuple[str, ...], expected: dict[int, list[int]]) -> None:
    assert slots(parse_closed(entries)) == dict(sorted(expected.items()))


@pytest.mark.parametrize("entry", ["", "never", "sun 25-26", "9", "22:30-06:00", "sun mon", "7-7", "-", "monster"])
def test_other_text_is_refused_with_examples(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a closed time; write a weekday, hours or both: sun, 22-06, sat 14-24"):
        parse_closed((entry,))


@pytest.mark.parametrize(
    "entries",
    [("sun",), ("22-06",), ("sat", "sun"), ("sun", "22-06"), ("sun", "22-06", "sat 14-22"), ("mon 12-14",), ()],
)
def test_fewest_entries_are_written(entries: tuple[str, ...]) -> None:
    assert write_closed(parse_closed(entries)) == entries


@pytest.mark.parametrize(
    ("entry", "text"),
    [("sun", "on Sundays"), ("22-06", "from 22:00 to 06:00"), ("sat 14-24", "on Saturdays from 14:00 to 24:00")],
)
def test_entry_is_described(entry: str, text: str) -> None:
    assert describe_entry(entry) == text


@given(st.sets(st.integers(0, 167)))
def test_any_slots_survive_writing_and_reading(chosen: set[int]) -> None:
    closed = np.zeros(168, dtype=bool)
    closed[sorted(chosen)] = True
    entries = write_closed(closed.reshape(7, 24))
    assert (parse_closed(entries).reshape(-1) == closed).all()
    assert all(describe_entry(entry) for entry in entries)


@given(st.text(max_size=12))
def test_no_text_raises_another_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_closed((text,)).any()
