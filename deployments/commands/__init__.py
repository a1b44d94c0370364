"""One file per command body: returns facts and text, works without Typer."""
