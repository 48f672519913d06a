"""ImportKey: one module for each way a key arrives."""
