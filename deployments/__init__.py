"""Where and when Nightcast runs: command line, health checks, servers, pipelines and the demo."""
