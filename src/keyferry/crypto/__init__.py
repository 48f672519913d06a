"""
Payment cryptography as pure functions: bytes in, bytes out. No I/O, no clock, no AWS words.

Nothing is imported here: take the module that is named after the subject, for example
`keyferry.crypto.keyblock`, `keyferry.crypto.tr34` or `keyferry.crypto.check_values`. Each may be
used without the rest of keyferry; all raise the errors of `keyferry.errors`.

A key that is used more than once is opened first (`CipherKey`, `KBPK`), which keeps its cipher
contexts. Opened keys may be shared between threads.
"""
