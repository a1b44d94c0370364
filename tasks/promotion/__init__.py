"""Which model forecasts: the test of a challenger against the champion, and of the champion against the baselines."""
