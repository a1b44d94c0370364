"""What every run shares: opening and closing, order, events, and artifacts in the Prefect UI."""
