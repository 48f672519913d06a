"""Comparing keys with their replicas in another Region, and making them equal again."""
