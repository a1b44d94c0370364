"""For notebooks: fit and predict on a frame with the defaults of a pipeline, and load the champion of one."""
