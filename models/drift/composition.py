"""Whether the series that report now are of other categories than those of the reference."""

import numpy as np

from models.drift.detection import NIGHTS, ColumnDrift, DriftWindows

MIN_EXPECTED = 5.0  # series of a category; rarer ones are counted together


def composition_p_value(newest: np.ndarray, reference: np.ndarray) -> float:
    """Compute the p-value for H0: series of both parts are drawn from the same categories (Pearson's chi-square).

    Most series are in both parts, which makes the parts more alike than independent draws: the test is conservative,
    and a few series that begin or end are no drift.

    Args:
        newest: Number of series by category in the newest part, (C,).
        reference: The same in the reference, (C,).

    Returns:
        The p-value; 1 if fewer than two categories can be compared.
    """
    from scipy import special  # takes long to import, and a cached night does not need it

    counts = np.stack([newest, reference]).astype(float)
    total = counts.sum()
    if not counts.sum(axis=1).all():
        return 1.0
    smallest = counts.sum(axis=0) * counts.sum(axis=1).min() / total
    rare = smallest < MIN_EXPECTED
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    compared = expected.min(axis=0) >= MIN_EXPECTED
    degrees = int(compared.sum()) - 1
    if degrees < 1:
        return 1.0
    counts, expected = counts[:, compared], expected[:, compared]
    return float(special.chdtrc(degrees, ((counts - expected) ** 2 / expected).sum()))


def compare_compositions(
    codes: np.ndarray, observed: np.ndarray, windows: DriftWindows, known_until: int = 0
) -> list[ColumnDrift]:
    """Compare the categories of the series that report, as of the newest steps and as of earlier nights.

    Args:
        codes: Category of each series, (S,), from 0.
        observed: Whether a series has a value, (S, T).
        windows: Lengths of the parts.
        known_until: Step up to which the champion was trained. A category that had vanished a season before is not
            missed any more: the reference begins there, and has at least the length of the newest part.

    Returns:
        The comparisons of up to NIGHTS nights, the newest first. Their `series` are the categories, (C,): each against
        all others, times the number of categories.
    """
    nights, categories = list[ColumnDrift](), int(codes.max(initial=-1)) + 1
    for back in range(NIGHTS):
        end = observed.shape[1] - back * windows.block
        first = end - windows.current
        if first < 1:
            break
        known_from = min(known_until, first) - windows.current
        parts = observed[:, first:end], observed[:, max(first - windows.reference, known_from, 0) : first]
        newest, reference = (np.bincount(codes[part.any(axis=1)], minlength=categories) for part in parts)
        alone = [
            composition_p_value(*(np.array([part[code], part.sum() - part[code]]) for part in (newest, reference)))
            for code in range(categories)
        ]
        by_category = np.minimum(np.array(alone) * categories, 1.0)
        nights.append(ColumnDrift(composition_p_value(newest, reference), by_category))
    return nights
