"""Counts of the rows of one night: each row of the source is used, in quarantine or held back.

read = used + quarantined + held back                 known ahead: later rows, of which only covariates are read
"""

from data_contracts.spec import Spec


class RowCounts(Spec):
    """Counts of the rows of the source: read = used + quarantined + held back.

    In a wide table each target cell is one row.
    """

    read: int
    used: int
    quarantined: int
    known_ahead: int
    gaps: int
    series: int
    ended: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    """Series that a rule excluded from this night: all their rows are in quarantine."""
    superseded: int = 0
    """Older versions of rows of which a newer version is known. They do not count as rows read."""
    held_back: int = 0
    """Rows whose period is not over at the as-of, such as the day that has just begun. They are not observations."""
    closed: tuple[str, ...] = ()
    """Times of the week that are closed for every series, as `cleaning.closed` writes them.

    Their steps do not count as gaps.
    """
