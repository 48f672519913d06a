"""ExportKey: one module for each way a key leaves."""
