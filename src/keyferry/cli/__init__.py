"""Arguments in, text out: one module per command."""
