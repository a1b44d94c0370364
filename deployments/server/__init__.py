"""Code that runs on, or registers with, a Prefect server."""
