"""Baselines: naive, seasonal naive, seasonal mean and ridge regression, which every network has to beat."""
