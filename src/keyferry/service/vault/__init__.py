"""How key material is sealed at rest and opened."""
