"""The covariates that a model reads, and until when each is known."""

from data_contracts.spec import SettingsSpec
from models.data.calendar import default_calendar_features, is_calendar_word


class FeatureSpec(SettingsSpec):
    """Covariates: `known` until the end of the horizon, `observed` until the cutoff, `static` one value per series.

    In `known`, names such as hour, dayofweek, month and `holidays:US` are computed from the timestamp; every other
    name is a column of the source. By default, `known` has the calendar features that suit the frequency.
    """

    known: tuple[str, ...] | None = None
    observed: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Columns of the source that are known over the horizon."""
        return tuple(name for name in self.known or () if not is_calendar_word(name))

    def calendar(self, freq: str) -> tuple[str, ...]:
        """Return the features that are computed from the timestamp."""
        return (
            default_calendar_features(freq)
            if self.known is None
            else tuple(n for n in self.known if is_calendar_word(n))
        )
