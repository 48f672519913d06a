"""Payment HSMs: one package per vendor."""
