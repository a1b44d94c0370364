"""Train networks: the recipe, the training loop, the warm start and an estimate of the time."""
