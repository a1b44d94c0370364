"""Which covariates a model sees, and until when each is known."""

from data_contracts.spec import Spec
from models.data.calendar import default_words, is_calendar_word


class FeatureSpec(Spec):
    """`known` reaches over the horizon, `observed` ends at the cutoff, `static` is one value a series.

    In `known`, hour, dayofweek, month and the like and `holidays:US` are computed from the time stamp; every other
    name is a column of the source. Without `known`, the calendar words that suit the frequency are taken.
    """

    known: tuple[str, ...] | None = None
    observed: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Columns of the source that are known over the horizon."""
        return tuple(name for name in self.known or () if not is_calendar_word(name))

    def calendar(self, freq: str) -> tuple[str, ...]:
        """Words that are computed from the time stamp."""
        return default_words(freq) if self.known is None else tuple(n for n in self.known if is_calendar_word(n))
