"""False alarms of the drift test on stationary panels, and how soon it detects a change, next to Evidently's default.

Twenty hourly series with a daily and a weekly season, and noise with a correlation of phi from hour to hour: Gaussian,
counts (Poisson with a rate that follows the noise), and positive (lognormal).
"""

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from models.drift.cusum import compare_errors, compare_levels
from models.drift.detection import DriftWindows, compare_columns, compare_nights, has_alarm
from tasks.report.evidently_report import wasserstein_in_deviations

pytestmark = pytest.mark.benchmark
DAY, WEEK, SERIES, LEVEL = 24, 168, 20, 0.01
WINDOWS = DriftWindows(reference=8 * WEEK, current=WEEK, block=DAY, season=WEEK)
LENGTH = 9 * WEEK
KINDS = ("gaussian", "count", "positive")
Change = Callable[[np.ndarray, int], np.ndarray]


def draw_panel(draw: np.random.Generator, kind: str, phi: float, steps: int) -> np.ndarray:
    """Draw a stationary panel, (SERIES, steps)."""
    shocks = draw.normal(size=(SERIES, steps + 300)) * np.sqrt(1 - phi**2)
    noise = lfilter([1], [1, -phi], shocks, axis=1)[:, 300:]
    time = np.arange(steps)
    season = np.sin(2 * np.pi * time / DAY) + 0.3 * np.sin(2 * np.pi * time / WEEK)
    if kind == "gaussian":
        return 10 + season + noise
    if kind == "count":
        return draw.poisson(np.exp(1 + 0.5 * season + 0.4 * noise)).astype(float)
    return np.exp(2 + 0.5 * season + 0.5 * noise)


def raise_level(values: np.ndarray, steps: int) -> np.ndarray:
    changed = values.copy()
    changed[:, -steps:] += values.std(axis=1, keepdims=True)
    return changed


def double_deviation(values: np.ndarray, steps: int) -> np.ndarray:
    profile = np.stack([values[:, hour:-WEEK:DAY].mean(axis=1) for hour in range(DAY)], axis=1)
    expected = profile[:, np.arange(values.shape[1]) % DAY][:, -steps:]
    changed = values.copy()
    changed[:, -steps:] = expected + 2 * (values[:, -steps:] - expected)
    return changed


def shift_season(values: np.ndarray, steps: int) -> np.ndarray:
    changed = values.copy()
    changed[:, -steps:] = np.roll(values, 6, axis=1)[:, -steps:]
    return changed


def multiply_one(values: np.ndarray, steps: int) -> np.ndarray:
    changed = values.copy()
    changed[3, -steps:] *= 2.8
    return changed


CHANGES: dict[str, Change] = {
    "level + 1 sd": raise_level,
    "variance x 4": double_deviation,
    "season by 6 hours": shift_season,
    "one of 20 x 2.8": multiply_one,
}


def evidently_alarm(values: np.ndarray) -> bool:
    """Whether Evidently's default test (Wasserstein distance of 0.1 deviations, all rows pooled) reports the column."""
    newest, before = (pd.Series(part.ravel()) for part in (values[:, -WEEK:], values[:, :-WEEK]))
    return wasserstein_in_deviations(newest, before) >= 0.1


def test_false_alarms(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nstationary panels, 200 nights each: alarms (2 of 3 nights), nights below the level of 1 %,")
        print("and Evidently's default (per column)")
        print("kind        phi  columns   alarms   below 1 %    Evidently")
        for kind, phi, count in itertools.product(KINDS, (0.5, 0.8, 0.95), (1, 3)):
            draw = np.random.default_rng(1)
            alarms = below = default = 0
            for _ in range(200):
                panels = {str(name): draw_panel(draw, kind, phi, LENGTH + 2 * DAY) for name in range(count)}
                nights = compare_nights(panels, WINDOWS)
                alarms += any(has_alarm(nights, LEVEL).values())
                below += any(column.p_value < LEVEL for column in nights[0].values())
                default += evidently_alarm(panels["0"][:, -LENGTH:])
            rates = f"{alarms / 200:8.1%} {below / 200:11.1%} {default / 200:12.1%}"
            print(f"{kind:10} {phi:4} {count:8} {rates}", flush=True)


def test_false_alarms_of_many_series(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\n1,000 independent series without a season, 40 nights each: nights below the level of 1 %")
        draw, shape = np.random.default_rng(7), (1000, LENGTH)
        kinds: dict[str, Callable[[], np.ndarray]] = {
            "gaussian": lambda: draw.normal(10, 1, shape),
            "count": lambda: draw.poisson(1.0, shape).astype(float),
            "positive": lambda: draw.lognormal(0, 1, shape),
        }
        for kind, draw_values in kinds.items():
            below = sum(compare_columns({"y": draw_values()}, WINDOWS)["y"].p_value < LEVEL for _ in range(40))
            print(f"{kind:10} {below / 40:8.1%}", flush=True)


def test_episodes_of_sixty_nights(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nstationary panels of 3 columns, 60 nights in a row: alarms (2 of 3 nights) that begin, 10 runs each")
        for kind, phi in itertools.product(KINDS, (0.5, 0.8, 0.95)):
            episodes = []
            for seed in range(10):
                draw = np.random.default_rng(seed)
                panels = {str(name): draw_panel(draw, kind, phi, LENGTH + 62 * DAY) for name in range(3)}
                below = []
                for night in range(62):
                    part = {name: values[:, night * DAY : night * DAY + LENGTH] for name, values in panels.items()}
                    below.append([column.p_value < LEVEL for column in compare_columns(part, WINDOWS).values()])
                counts = np.lib.stride_tricks.sliding_window_view(np.array(below), 3, axis=0).sum(axis=2)
                alarm = np.concatenate([[False], (counts >= 2).any(axis=1)])
                episodes.append(int((~alarm[:-1] & alarm[1:]).sum()))
            print(f"{kind:10} {phi:4}   mean {np.mean(episodes):.2f}, most {max(episodes)}", flush=True)


def test_changes_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nfound within 3 nights, 40 runs each: below 1 % on two of them; the worst series is the right one")
        print("kind        phi  change               found   named   Evidently on the third night")
        for kind, phi, (name, change) in itertools.product(KINDS, (0.5, 0.8, 0.95), CHANGES.items()):
            draw = np.random.default_rng(2)
            found = named = default = 0
            for _ in range(40):
                values = change(draw_panel(draw, kind, phi, LENGTH + 2 * DAY), 3 * DAY)
                nights = compare_nights({"y": values}, WINDOWS)
                found += has_alarm(nights, LEVEL)["y"]
                named += int(nights[0]["y"].series.argmin()) == 3
                default += evidently_alarm(values[:, -LENGTH:])
            worst = f"{named / 40:7.0%}" if name.startswith("one") else "       "
            print(f"{kind:10} {phi:4}  {name:18} {found / 40:7.0%} {worst} {default / 40:9.0%}", flush=True)


def test_covariate_that_rises_is_found_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nthree columns, one rises by a standard deviation; found within 3 nights, 40 runs each")
        print("kind        phi    found   the right column alone")
        for kind, phi in itertools.product(KINDS, (0.5, 0.8, 0.95)):
            draw = np.random.default_rng(3)
            found = alone = 0
            for _ in range(40):
                panels = {name: draw_panel(draw, kind, phi, LENGTH + 2 * DAY) for name in ("y", "heat", "wind")}
                panels["heat"] = raise_level(panels["heat"], 3 * DAY)
                alarms = has_alarm(compare_nights(panels, WINDOWS), LEVEL)
                found += alarms["heat"]
                alone += alarms == {"y": False, "heat": True, "wind": False}
            print(f"{kind:10} {phi:4} {found / 40:8.0%} {alone / 40:8.0%}", flush=True)


def alarm_of(compare: Callable[[int], float]) -> bool:
    """Whether two of the three newest nights are below the level; `compare` gives the p-value some nights ago."""
    return sum(compare(back) < LEVEL for back in range(3)) >= 2


def level_p_value(levels: np.ndarray, back: int) -> float:
    """Return the p-value of the newest levels (S, nights) so many nights ago."""
    return compare_levels(levels[:, : levels.shape[1] - back]).p_value


def error_p_value(sizes: np.ndarray, biases: np.ndarray, back: int) -> float:
    """Return the p-value of the newest errors (S, nights) so many nights ago."""
    nights = sizes.shape[1] - back
    return compare_errors(sizes[:, :nights], biases[:, :nights]).p_value


def test_charts_of_forecasts_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nlevels of 28 nightly forecasts, errors of 63 nights, correlation phi from night to night, 200 runs:")
        print("alarms if nothing changes, and if the newest 7 nights do: forecasts by 2 deviations, errors x 1.5, x 2")
        print("series   phi   forecasts: none  changed   errors: none     x 1.5      x 2")
        for series, phi in itertools.product((1, 20, 100), (0.0, 0.5, 0.8)):
            draw, rates = np.random.default_rng(4), dict.fromkeys(("f", "g", "e", "m", "d"), 0)
            for _ in range(200):
                shocks = draw.normal(size=63 + 50) * np.sqrt(1 - phi**2)
                common = lfilter([1], [1, -phi], shocks)[50:]
                levels = common[-28:] + draw.normal(size=(series, 28))
                newest = np.arange(63) >= 56
                errors = draw.standard_t(5, size=(series, 63, 24)) * np.exp(0.2 * common)[None, :, None]
                for name, by in (("f", 0.0), ("g", 2.0 * np.sqrt(2))):
                    moved = levels + by * newest[-28:]
                    rates[name] += alarm_of(functools.partial(level_p_value, moved))
                for name, gain in (("e", 1.0), ("m", 1.5), ("d", 2.0)):
                    grown = errors * np.where(newest, gain, 1.0)[:, None]
                    sizes, biases = np.abs(grown).mean(axis=2), grown.mean(axis=2)
                    rates[name] += alarm_of(functools.partial(error_p_value, sizes, biases))
            shown = "  ".join(f"{count / 200:9.1%}" for count in rates.values())
            print(f"{series:6} {phi:5}   {shown}", flush=True)
