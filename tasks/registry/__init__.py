"""Which model is champion: decision records, the promotion test and the MLflow calls."""
