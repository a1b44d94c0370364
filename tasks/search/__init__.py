"""Hyperparameter search: propose recipes, try them by the tuning step, compare the best on the test windows."""
