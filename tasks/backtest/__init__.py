"""Backtest over rolling origins: repeats the steps of a night at each of them, and publishes nothing."""
