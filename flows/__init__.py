"""The pipeline graphs: which steps make a run, and in which order."""
