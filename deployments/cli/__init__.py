"""The `nightcast` command: options, stdout and exit codes."""
