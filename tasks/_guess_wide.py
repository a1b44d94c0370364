"""Wide tables: columns that are alike but for a number in their names are forecast together, each a series."""

import fnmatch
import re

from tasks._guess_words import listed

FEWEST = 3  # columns of one stem
MOSTLY = 0.8  # share of the numeric columns that they must be


def alike(names: list[str]) -> tuple[tuple[str, ...], list[str]] | None:
    """(globs or names for columns.y, the columns that they mean), where most of `names` are one stem and a number."""
    stems: dict[str, list[str]] = {}
    for name in names:
        if found := re.fullmatch(r"(.*?[^\d\W].*?|.*?[A-Za-z_ ])\d+", name):
            stems.setdefault(found[1], []).append(name)
    stem, most = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(most) < FEWEST or len(most) < MOSTLY * len(names):
        return None
    glob = f"{stem}*"
    means = [name for name in names if fnmatch.fnmatchcase(name, glob)]
    return ((glob,), most) if means == most and not re.search(r"[*?\[]", stem) else (tuple(most), most)


def told(columns: list[str]) -> str:
    return f"{len(columns)} columns that are alike, each a series of its own: {listed(columns, 4)}"
