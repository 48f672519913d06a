"""Aliases that follow their keys to another Region."""
