"""Where keys, aliases, tags and audit records live: one interface, one SQL implementation."""
