"""Data profiling: infer a pipeline from an unknown table, for `nightcast init`."""
