"""Data of the models: panels of series, windows, batches, scaling, imputation and calendar features."""
