"""Numbers in, numbers out: windows, recurrent networks, baselines and their scores."""
