"""The three flows between two parties. They know the protocols, not the vendors."""
