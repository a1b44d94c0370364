"""What training has chosen from the data for one network, and why, in sentences for the page."""

import numpy as np

from models.baselines.ridge import MIN_ADJUSTMENT_GAIN
from models.bundle import Bundle
from models.calibration.calibrate import SERIES_SHARES
from models.calibration.series_shares import SERIES_HORIZONS
from models.calibration.shares import SHARES
from models.data.seasonal_adjustment import MAX_COMMON_SHARE, MAX_LEARNED_CYCLES

MAP_REASONS = {
    "no_season": ": their frequency has no season that is short enough",
    "not_positive": ": a value of the training part is 0 or below",
}  # by `not_adjusted` of the bundle
NETWORK_REASONS = {
    "source_units": ": its normalisation or its head reads the units of the source",
    "one_series": ": it is trained on one series, and learns the season from its inputs",
    "many_cycles": f": it has seen more than {MAX_LEARNED_CYCLES} cycles of the longest, and learns from its inputs",
    "common": f": at least {MAX_COMMON_SHARE:.0%} of the season is common to all series, and learned from their inputs",
}


def describe_choices(bundle: Bundle) -> tuple[str, ...]:
    """Describe the choices that training made on the training and validation parts.

    Args:
        bundle: A recurrent network.

    Returns:
        A sentence for each choice; none for a network without a linear map, which has made no choice.
    """
    maps = bundle.linear_maps
    if not maps:
        return ()
    linear, last, seasonal = (float(bundle.tensors.get(name, [0.0])[0]) for name in SHARES)
    season, count = bundle.median_seasons or (0, 0)
    median = f" and {seasonal:.0%} median of {count} seasons ({season:,} steps)" if season else ""
    sentences = [
        f"The median is {1 - linear - last - seasonal:.0%} network, {linear:.0%} linear map{',' if median else ' and'} "
        f"{last:.0%} last value{median}: the shares with the smallest error on the validation part, shrunk toward 50% "
        "network and 50% map, or toward the last value if the gain is within two standard errors. The map is an "
        f"average of ridge regressions that read up to {len(maps['weights']) - 1:,} steps."
    ]
    if own := bundle.recurrent.series_shares:
        sentences.append(_series_sentence(bundle.tensors[SERIES_SHARES], len(own)))
    sentences.append(_adjustment_sentence(bundle))
    return tuple(sentences)


def _series_sentence(shares: np.ndarray, count: int) -> str:
    network = 1 - shares.sum(axis=1)
    return (
        f"{count:,} series have shares of their own, {network.min():.0%} to {network.max():.0%} network: they make the "
        "error smaller on parts of the validation part that did not decide them. They are shrunk toward the shares of "
        f"all series, as if those had been right in {SERIES_HORIZONS:.0f} more horizons."
    )


def _adjustment_sentence(bundle: Bundle) -> str:
    seasons = ", ".join(f"{int(season):,}" for season in bundle.linear_maps.get("seasons", ()))
    loss, reason = bundle.recurrent.adjusted_loss, bundle.recurrent.not_adjusted
    smaller = f" that is {1 - loss:.0%} smaller" if loss is not None and loss < 1 else ""
    if bundle.recurrent.adjustment:
        return (
            f"Windows are divided by their seasonal index ({seasons} steps), because the map then has an "
            f"error{smaller} on the validation part, and less than {MAX_COMMON_SHARE:.0%} of the season is common to "
            "all series."
        )
    if seasons:
        return (
            f"Only the map reads windows divided by their seasonal index ({seasons} steps), with an error{smaller} on "
            f"the validation part. The network does not{NETWORK_REASONS.get(reason or '', '')}."
        )
    if reason == "no_gain" and loss is not None:
        change = f"{abs(1 - loss):.1%} {'smaller' if loss < 1 else 'larger'}"
        return (
            "Windows are not seasonally adjusted: the error of an adjusted map on the validation part is "
            f"{change}, and at least {MIN_ADJUSTMENT_GAIN:.0%} smaller is asked for."
        )
    return f"Windows are not seasonally adjusted{MAP_REASONS.get(reason or '', '')}."
