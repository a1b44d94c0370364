"""What `watch_drift` compares: the columns of the clean table, the newest forecasts, and the errors of earlier ones."""
