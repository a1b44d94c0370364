"""Health checks of `nightcast doctor`."""
