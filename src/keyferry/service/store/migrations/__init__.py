"""The tables, in numbered steps. A step that was released is never edited."""
