"""Results of the steps and of a run: frozen models of artifacts and numbers."""
