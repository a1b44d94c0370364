"""Forecasting models on arrays: windows, recurrent networks, baselines and their scores. No I/O."""
