"""
Keys in several Regions: a primary and read-only replicas, kept equal by messages between Regions.

A change of a primary writes a row of the outbox in its own transaction (`state.py`). A link for
each ordered pair of Regions (`link.py`) sends the key as it is, as a key block under the pair's
KEK (`keks.py`), and the receiver there applies it (`receiver.py`). Regions of one process speak
the same messages as Regions of two; only the transport differs (`peers/`). Beside it stand what
compares and repairs (`inspection/`), what shows that it works before it is needed (`rehearsal/`,
`proof/`), and aliases that follow their keys (`aliases/`).
"""
