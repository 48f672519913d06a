"""Payment cryptography as pure functions: bytes in, bytes out. No I/O, no clock, no AWS words."""
