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
    share, steps = float(bundle.tensors["share"][0]), len(maps["weights"]) - 1
    sentences = [
        f"The median is {share:.0%} linear map and {1 - share:.0%} network: the share with the smallest error on "
        f"the validation part, shrunk toward 50%. The map is an average of ridge regressions that read up to {steps:,} "
        "steps."
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
