"""
Proof by use: one Region computes something under its copy of a key, the other verifies it under
its own. Equal check values say that both hold one key; this says that both use it alike.
"""
