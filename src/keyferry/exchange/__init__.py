"""Key exchange: the parties, the three flows, and what was proven."""
