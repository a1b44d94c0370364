"""Forecasts that follow each observation: a kept state per series, and one step of the network for one new value."""
