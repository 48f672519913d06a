"""Known-answer tests of the cryptography, over files of vectors."""
