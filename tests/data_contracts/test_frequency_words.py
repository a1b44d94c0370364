"""Aliases of older pandas keep their meaning; words are answered with the alias to write."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.column_types import known_frequency


@pytest.mark.parametrize(
    ("written", "freq"),
    [
        *[("H", "h"), ("15T", "15min"), ("T", "min"), ("S", "s"), ("24H", "24h"), ("L", "ms")],
        *[("M", "ME"), ("2M", "2ME"), ("Q", "QE"), ("Q-DEC", "QE-DEC"), ("A", "YE"), ("Y", "YE"), ("A-MAR", "YE-MAR")],
        *[("BM", "BME"), ("BQ", "BQE"), ("BA", "BYE"), ("AS", "YS"), ("AS-JUL", "YS-JUL"), ("SM", "SME")],
        *[("d", "D"), ("W-mon", "W-MON"), (" D ", "D"), ("MS", "MS"), ("W", "W"), ("1h30min", "1h30min")],
        *[("min", "min"), ("WOM-1MON", "WOM-1MON"), ("RE-N-DEC-MON", "RE-N-DEC-MON")],
    ],
)
def test_alias_is_understood(written: str, freq: str) -> None:
    assert known_frequency(written) == freq
    assert known_frequency(freq) == freq


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("hourly", "write h$"),
        ("daily", "write D$"),
        ("Weekly", "write W-MON … W-SUN with the weekday of the stamps"),
        ("monthly", "write MS if stamps are the first day of a month, ME if they are the last"),
        ("quarterly", "QS if .* QE if"),
        ("yearly", "YS if .* YE if"),
        ("5 minutes", "write 5min$"),
        ("every 2 hours", "write 2h$"),
        ("5m", "min for minutes, MS or ME for months"),
        ("sometimes", "write one such as h, 30min"),
        ("", "write one such as"),
        ("0h", "must be a positive frequency"),
        ("-1D", "must be a positive frequency"),
    ],
)
def test_word_is_answered_with_the_alias(written: str, answer: str) -> None:
    with pytest.raises(ValueError, match=answer):
        known_frequency(written)


@given(st.text(max_size=12))
def test_no_text_raises_another_error(written: str) -> None:
    with contextlib.suppress(ValueError):
        freq = known_frequency(written)
        assert known_frequency(freq) == freq
