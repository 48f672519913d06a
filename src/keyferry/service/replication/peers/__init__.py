"""Regions that other services serve: where they are, how they are asked, and who may ask us."""
