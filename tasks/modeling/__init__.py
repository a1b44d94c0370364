"""Models between the store and the steps: candidates, training data, forecast tables and scores."""
