"""Where, when, with which secrets: the command line, pipelines and the demo."""
