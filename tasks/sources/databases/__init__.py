"""Databases as sources: streamed, read-only reads, and reads of new rows only."""
