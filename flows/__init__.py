"""Tables of contents: which steps make a night, and in which order."""
