"""Payment HSMs: one package per vendor, over field tables that encode and decode."""
