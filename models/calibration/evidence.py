"""Evidence for a choice: its gain in each horizon of validation, compared with the standard error of these gains."""

import numpy as np

MIN_BLOCKS = 4  # horizons of validation, or seasons of training, whose gains have a standard error


def window_losses(losses: np.ndarray) -> np.ndarray:
    """Mean of the known losses of each window, (n,), of those of its steps (n, H); NaN without one."""
    known = np.isfinite(losses)
    return np.where(known, losses, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)


def evidence(gains: np.ndarray, times: np.ndarray | None, untested: float = 0.0) -> float:
    """Share of a choice that the gains (n,) of windows justify: none up to one standard error, all of it from two on.

    Args:
        gains: Loss without the choice minus loss with it; NaN where unknown.
        times: When the windows begin, (n,), in blocks that are compared; None: the sign of the mean decides.
        untested: The share if the windows cover fewer than MIN_BLOCKS.

    Returns:
        A share from 0 to 1.
    """
    known = np.isfinite(gains)
    if times is None:
        return float(gains[known].mean() > 0)
    _, block = np.unique(np.floor(times[known]), return_inverse=True)
    means = np.bincount(block, gains[known]) / np.maximum(np.bincount(block), 1)
    if len(means) < MIN_BLOCKS:
        return untested
    mean, error = means.mean(), means.std() / np.sqrt(len(means))
    return float(np.clip(mean - error, 0, error) / error) if error > 0 else float(mean > 0)
