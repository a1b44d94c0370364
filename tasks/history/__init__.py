"""What a store has published, read back: forecasts of any vintage, actuals, accuracy and the history behind them."""
