"""One file a step, and the only room that does I/O; files that start with _ are plumbing."""
