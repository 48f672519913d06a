"""Text of others on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text of a caller cannot steer the terminal it is shown on."""
    return "".join(character if character.isprintable() else "?" for character in text)
