"""A searched closed form: ridge regressions of several lookbacks and priors, averaged into one linear map.

Lookback, prior and penalty are chosen by cross-validation: each of the folds, contiguous in time, is forecast by the
map that is fitted on the others, and the validation part by the map that is fitted on all training windows. Averaging
over lookbacks is worth more than any choice among them (SearchCast, arXiv 2606.27282).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.baselines.moments import Moments
from models.baselines.ridge_priors import RidgePrior, list_priors

PENALTIES = (1e-8, 1e-5, 1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # times the windows
SCORED_STEPS = 24  # of the horizon, evenly spaced, that decide
LOOKBACK_TOLERANCE, PRIOR_TOLERANCE = 0.05, 0.01  # of the loss, or of the gain over the last value if that is less


class GroupedMoments(NamedTuple):
    """Moments of the windows whose history carries the longest lookback, and of those with a shorter history."""

    complete: Moments  # longest lookback
    partial: Moments  # the lookback of the pipeline, at most the longest

    def newest(self, lookback: int) -> Moments:
        """Return the moments that fit a map of this lookback: of all windows, unless it is the longer one."""
        if lookback > len(self.partial.gram) or not self.partial.count:
            return self.complete.newest(lookback)
        return self.complete.newest(lookback) + self.partial.newest(lookback)

    def plus(self, other: "GroupedMoments") -> "GroupedMoments":
        """Return the moments of both sets of windows."""
        return GroupedMoments(self.complete + other.complete, self.partial + other.partial)

    def minus(self, other: "GroupedMoments") -> "GroupedMoments":
        """Return the moments without those windows."""
        return GroupedMoments(self.complete - other.complete, self.partial - other.partial)


class RidgeCandidate(NamedTuple):
    """A lookback and a prior with the penalty that suits them best."""

    lookback: int
    prior: RidgePrior
    penalty: float  # times the number of windows; infinite: the prior itself
    loss: float  # held-out squared error, relative to that of the last value


def solve_ridge(moments: Moments, prior: np.ndarray, penalty: float) -> np.ndarray:
    """Fit a ridge regression without intercept that shrinks toward a prior.

    Args:
        moments: Of the training windows, with lookback L and horizon H.
        prior: The map to shrink toward, (L, H).
        penalty: Times the number of windows; infinite: the prior itself.

    Returns:
        Weights (L, H).
    """
    if not np.isfinite(penalty):
        return prior
    return prior + _solve(moments.gram, moments.cross - moments.gram @ prior, penalty * moments.count)


def _solve(gram: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Solve (gram + penalty I) X = target; the least-squares solution if rounding leaves the matrix not definite."""
    from scipy.linalg import cho_factor, cho_solve  # takes half a second, and commands that only look do not need it

    system = gram + penalty * np.eye(len(gram))
    try:
        return np.asarray(cho_solve(cho_factor(system, lower=True, check_finite=False), target, check_finite=False))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(system, target, rcond=None)[0])


def search_ridge(
    folds: Sequence[GroupedMoments], validation: GroupedMoments, lookbacks: Sequence[int], seasons: tuple[int, ...]
) -> list[RidgeCandidate]:
    """Choose the penalty of each lookback and prior.

    Args:
        folds: Moments of the training windows in contiguous parts of time; one fold: only the validation part decides.
        validation: Moments of the validation windows.
        lookbacks: Candidates, in steps.
        seasons: Season lengths, in steps.

    Returns:
        A candidate for each lookback and prior.
    """
    horizon = len(validation.complete.squares)
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, SCORED_STEPS)).astype(int))
    train = total(folds)
    splits = [(train.minus(fold), fold) for fold in folds] if len(folds) > 1 else []
    splits.append((train, validation))
    candidates = []
    for lookback in lookbacks:
        priors = list_priors(lookback, seasons)
        pairs = [(fit.newest(lookback), _scored(held)) for fit, held in splits]
        pairs = [(fit, held) for fit, held in pairs if fit.count and held.count and len(held.gram) >= lookback]
        priors = priors if pairs else priors[:1]
        pairs = [(fit.at_steps(steps), held.newest(lookback).at_steps(steps)) for fit, held in pairs]
        losses = [_relative_losses(fit, held, priors, steps) for fit, held in pairs] or [np.ones((len(priors), 1))]
        mean = np.mean(losses, axis=0)
        for prior, row in zip(priors, mean, strict=True):
            best = int(np.argmin(row))
            penalty = (*PENALTIES, np.inf)[best] if pairs else np.inf
            candidates.append(RidgeCandidate(lookback, prior, penalty, float(row[best])))
    return candidates


def total(folds: Sequence[GroupedMoments]) -> GroupedMoments:
    """Return the moments of the windows of all folds."""
    moments = folds[0]
    for fold in folds[1:]:
        moments = moments.plus(fold)
    return moments


def _scored(held: GroupedMoments) -> Moments:
    """Return the held-out windows that every lookback can forecast; if there are none, those with a short history."""
    return held.complete if held.complete.count else held.partial


def _relative_losses(fit: Moments, held: Moments, priors: Sequence[RidgePrior], steps: np.ndarray) -> np.ndarray:
    """Held-out squared errors relative to those of the last value, (priors, penalties + 1); the last is the prior."""
    lookback, count = len(fit.gram), len(steps)
    prior = np.stack([prior.weights(lookback, steps) for prior in priors])  # (P, L, k)
    missing = np.concatenate(list(fit.cross - fit.gram @ prior), axis=1)  # (L, P k): one solution for all priors
    losses = np.zeros((len(priors), len(PENALTIES) + 1))
    for column, penalty in enumerate(PENALTIES):
        change = _solve(fit.gram, missing, penalty * fit.count).reshape(lookback, len(priors), count)
        losses[:, column] = held.losses(prior + change.transpose(1, 0, 2))
    losses[:, -1] = held.losses(prior)
    last = held.squares.sum() / (held.count * count)
    return losses / max(last, np.finfo(float).tiny)


def average_ridge(
    train: GroupedMoments, candidates: Sequence[RidgeCandidate], longest: int, horizon: int
) -> np.ndarray:
    """Average the maps of the best candidates: over the priors of a lookback first, then over lookbacks.

    Args:
        train: Moments of the training windows.
        candidates: Lookbacks and priors with their penalties.
        longest: Steps of the map; candidates with a longer lookback are left out.
        horizon: Steps.

    Returns:
        Weights (longest, horizon).
    """
    usable = [candidate for candidate in candidates if candidate.lookback <= longest]
    best = {}
    for lookback in dict.fromkeys(candidate.lookback for candidate in usable):
        own = [candidate for candidate in usable if candidate.lookback == lookback]
        best[lookback] = _close_to_best(own, PRIOR_TOLERANCE)
    leaders = _close_to_best([min(own, key=lambda c: c.loss) for own in best.values()], LOOKBACK_TOLERANCE)
    weights, steps = np.zeros((longest, horizon)), np.arange(horizon)
    for leader in leaders:
        moments, members = train.newest(leader.lookback), best[leader.lookback]
        for member in members:
            fitted = solve_ridge(moments, member.prior.weights(leader.lookback, steps), member.penalty)
            weights[longest - leader.lookback :] += fitted / (len(members) * len(leaders))
    return weights


def _close_to_best(candidates: Sequence[RidgeCandidate], tolerance: float) -> list[RidgeCandidate]:
    """Return the candidates whose loss is close to the smallest, those that are the last value only if it is best."""
    best = min(candidates, key=lambda candidate: candidate.loss)
    limit = best.loss + tolerance * max(0.0, min(best.loss, 1 - best.loss))
    return [candidate for candidate in candidates if candidate.loss <= limit]
