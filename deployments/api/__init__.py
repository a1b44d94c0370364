"""The real-time service: forecasts of the champion over HTTP, from kept states that follow each observation."""
