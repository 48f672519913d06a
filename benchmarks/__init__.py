"""Measurements against named peers. Each module has `run() -> str`, which returns Markdown."""
