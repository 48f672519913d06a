"""What the data plane does: cryptography with stored keys, one module per capability."""
