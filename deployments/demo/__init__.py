"""The shipped data and the three nights of `make demo`."""
