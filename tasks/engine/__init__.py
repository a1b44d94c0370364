"""How a step runs: the step decorator, its result cache, and the log of a run."""
