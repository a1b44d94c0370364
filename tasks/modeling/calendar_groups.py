"""Groups of forecasts by the wall clock: hour of the day, day of the week, and month of the origin."""

from typing import NamedTuple

import pandas as pd

from models.data.calendar import default_calendar_features, local_times, steps_a_day

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class CalendarGroups(NamedTuple):
    """The calendar groups of a frequency, on the wall clock of `zone`."""

    freq: str
    zone: str

    @property
    def names(self) -> tuple[str, ...]:
        """The groups that the frequency has, of hour and dayofweek: both for hours, none for weeks."""
        day = pd.tseries.frequencies.to_offset(self.freq) * steps_a_day(self.freq)
        is_weekly = pd.date_range("2024-01-01", periods=2, freq=day).dayofweek.nunique() == 1
        suited = ("hour",) if is_weekly else ("hour", "dayofweek")
        return tuple(name for name in default_calendar_features(self.freq) if name in suited)

    def columns(self, ds: pd.Series) -> pd.DataFrame:
        """Return the groups of each forecast.

        Args:
            ds: The time that is forecast, in UTC.

        Returns:
            A column for each of `names`, with the index of `ds`: hour from 0 to 23, dayofweek from 0 (Monday) to 6.
        """
        local = local_times(pd.DatetimeIndex(ds), self.freq, self.zone)
        return pd.DataFrame({name: getattr(local, name) for name in self.names}, index=ds.index)

    def months(self, as_of: pd.Series) -> pd.Series:
        """Return the month of each origin (UTC) as text: 2024-03."""
        return as_of.dt.tz_convert(self.zone).dt.strftime("%Y-%m")


def group_text(by: str, value: object) -> str:
    """Return the text of a group: the name of a day for dayofweek, an ISO time for an origin, else the value."""
    if by == "dayofweek":
        return DAYS[int(str(value))]
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)
