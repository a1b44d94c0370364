"""What training has chosen from the data for one network, and why, in sentences for the page."""

from models.bundle import Bundle
from models.data.seasonal_adjustment import MAX_COMMON_SHARE, MAX_LEARNED_CYCLES


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
    linear, last = (float(bundle.tensors.get(name, [0.0])[0]) for name in ("share", "share.last"))
    sentences = [
        f"The median is {1 - linear - last:.0%} network, {linear:.0%} linear map and {last:.0%} last value: the shares "
        "with the smallest error on the validation part, shrunk toward weights by inverse squared errors. The map is "
        f"an average of ridge regressions that read up to {len(maps['weights']) - 1:,} steps."
    ]
    seasons = ", ".join(f"{int(season):,}" for season in maps.get("seasons", ()))
    if bundle.recurrent.adjustment:
        sentences.append(
            f"Windows are divided by their seasonal index ({seasons} steps), because the map then has a smaller error "
            f"on the validation part, and less than {MAX_COMMON_SHARE:.0%} of the season is common to all series."
        )
    elif seasons:
        sentences.append(
            f"Only the map reads windows divided by their seasonal index ({seasons} steps), with a smaller error on "
            f"the validation part. The network does not: at least {MAX_COMMON_SHARE:.0%} of the season is common to "
            f"all series, or more than {MAX_LEARNED_CYCLES} cycles were seen, or it reads the units of the source."
        )
    else:
        sentences.append(
            "Windows are not seasonally adjusted: a value is 0 or below, or the error on the validation part was not "
            "smaller."
        )
    return tuple(sentences)
