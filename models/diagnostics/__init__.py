"""Diagnostics of a trained network: sensitivity by lag, memory and gate activations."""
