"""The store: files, artifacts, the lease of a pipeline, and records by as-of."""
