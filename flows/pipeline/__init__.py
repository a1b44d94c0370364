"""A pipeline: its specification, parameters and schedule."""
