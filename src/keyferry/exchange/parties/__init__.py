"""The parties of an exchange: who sends a key, who receives it."""
