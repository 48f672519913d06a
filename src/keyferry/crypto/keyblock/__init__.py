"""X9.143 / TR-31 key blocks, versions A to E, and the header of Thales S blocks."""
