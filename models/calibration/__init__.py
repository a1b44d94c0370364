"""Calibration of a network on the validation part: shares of simple forecasts in the median, width of intervals."""
