"""Example data with a plan: daily sales of four shops, whose promotions and prices are known two weeks ahead.

The table is made by a function, as if a planning system were asked: up to the as-of it has sales, and after it the
plan of the next 14 days with empty sales.
"""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

SHOPS = {"north": 120.0, "south": 80.0, "east": 200.0, "west": 50.0}  # units sold on an average day
DAYS_OF_HISTORY = 730
DAYS_OF_PLAN = 14


def table(as_of: datetime, days_of_plan: int = DAYS_OF_PLAN) -> pd.DataFrame:
    """Return the sales before `as_of` and the plan after it.

    Args:
        as_of: The first day without sales is the date of this instant.
        days_of_plan: Days after the last sales that have a promotion and a price.

    Returns:
        One row per shop and day: shop, day, sold (missing in the plan), promotion (0 or 1) and price. The values of a
        day do not depend on `as_of`.
    """
    today = pd.Timestamp(as_of.date())
    days = pd.date_range(today - timedelta(days=DAYS_OF_HISTORY), today + timedelta(days=days_of_plan - 1), freq="D")
    return pd.concat([_shop_table(name, level, days, today) for name, level in SHOPS.items()], ignore_index=True)


def _shop_table(name: str, level: float, days: pd.DatetimeIndex, today: pd.Timestamp) -> pd.DataFrame:
    noise = np.array([_daily_noise(name, day) for day in days])
    week = days.dayofyear.to_numpy() // 7
    promotion = ((week * 5 + len(name)) % 6 == 0).astype(float)  # about one week in six
    price = 2.0 + 0.1 * (days.month.to_numpy() % 3) - 0.4 * promotion
    season = 1 + 0.25 * np.sin(2 * np.pi * days.dayofyear.to_numpy() / 365.25)
    weekday = np.array([0.9, 0.85, 0.9, 1.0, 1.2, 1.4, 0.75])[days.dayofweek]
    sold = np.round(level * season * weekday * (1 + 0.8 * promotion) * (1 + 0.08 * noise))
    known = (days < today).astype(bool)
    sold = np.where(known, sold, np.nan)
    return pd.DataFrame({"shop": name, "day": days, "sold": sold, "promotion": promotion, "price": price})


def _daily_noise(name: str, day: pd.Timestamp) -> float:
    """Return standard normal noise that depends on the shop and the day only."""
    return float(np.random.default_rng([day.toordinal(), *name.encode()]).normal())
