"""Key blocks against psec: an opened KBPK, and a cold one (opened for each block)."""

from __future__ import annotations

import itertools
import os
import warnings

import psec
from cryptography.utils import CryptographyDeprecationWarning

from benchmarks import goals
from benchmarks.interleaved import measure
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)

# What is wrapped under what: label, version, bytes of the KBPK, algorithm, bytes of the key.
CASES = (
    ("D, AES-256 under AES-256", BlockVersion.D, 32, Algorithm.AES, 32),
    ("D, AES-128 under AES-128", BlockVersion.D, 16, Algorithm.AES, 16),
    ("D, 2-key TDES under AES-128", BlockVersion.D, 16, Algorithm.TDES, 16),
    ("B, 3-key TDES under 3-key TDES", BlockVersion.B, 24, Algorithm.TDES, 24),
    ("B, 2-key TDES under 2-key TDES", BlockVersion.B, 16, Algorithm.TDES, 16),
)


def run() -> str:
    """Measure wrap and unwrap of every case; return the table."""
    # psec 1.3.0 uses what cryptography deprecates; the time it takes to warn is not psec's.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    lines = [
        f"## Key blocks: keyferry and psec {psec.__version__}",
        "",
        "Goal: with an opened KBPK at least 10 × psec, with a cold one at least 3 ×. psec has no"
        " opened key; cold is the same work. Both hide the length of the key.",
        "",
        "| block | operation | psec µs | cold µs | opened µs | cold | opened |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, version, kbpk_bytes, algorithm, key_bytes in CASES:
        lines += _rows(label, version, kbpk_bytes, algorithm, key_bytes)
    lines += ["", _different_headers()]
    return "\n".join(lines)


def _rows(
    label: str, version: BlockVersion, kbpk_bytes: int, algorithm: Algorithm, key_bytes: int
) -> list[str]:
    cipher, kbpk, key = version.cipher, os.urandom(kbpk_bytes), os.urandom(key_bytes)
    header = KeyBlockHeader(
        version=version,
        usage="P0",
        algorithm=algorithm,
        mode=ModeOfUse.ENCRYPT,
        exportability=Exportability.EXPORTABLE,
    )
    peer_header = psec.tr31.Header(version.value, "P0", algorithm.value, "E", "00", "E")
    opened = KBPK(cipher, kbpk)
    block = opened.wrap(header, key)
    if psec.tr31.unwrap(kbpk, block)[1] != key or opened.unwrap(block).key != key:
        raise RuntimeError(f"{label}: the two implementations disagree")
    wrap = measure(
        {
            "psec": lambda: psec.tr31.wrap(kbpk, peer_header, key),
            "cold": lambda: KBPK(cipher, kbpk).wrap(header, key),
            "opened": lambda: opened.wrap(header, key),
        }
    )
    unwrap = measure(
        {
            "psec": lambda: psec.tr31.unwrap(kbpk, block),
            "cold": lambda: KBPK(cipher, kbpk).unwrap(block),
            "opened": lambda: opened.unwrap(block),
        }
    )
    lines = []
    for operation, measured in (("wrap", wrap), ("unwrap", unwrap)):
        cold, opened_ratio = measured.ratio("psec", "cold"), measured.ratio("psec", "opened")
        goals.check(f"key block {label}, {operation}, cold KBPK against psec", cold, at_least=3)
        goals.check(
            f"key block {label}, {operation}, opened KBPK against psec", opened_ratio, at_least=10
        )
        lines.append(
            f"| {label} | {operation} | {measured.microseconds('psec'):.1f}"
            f" | {measured.microseconds('cold'):.1f} | {measured.microseconds('opened'):.2f}"
            f" | {cold:.1f} × | {opened_ratio:.1f} × |"
        )
    return lines


def _different_headers() -> str:
    """Measure unwrap where no header was seen lately: headers that were read are remembered."""
    kbpk = os.urandom(32)
    opened = KBPK(Cipher.AES, kbpk)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    blocks = [
        opened.wrap(
            KeyBlockHeader(
                version=BlockVersion.D,
                usage="P0",
                algorithm=Algorithm.AES,
                mode=mode,
                key_version=a + b,
            ),
            bytes(32),
        )
        for a in letters
        for b in letters
        for mode in (ModeOfUse.ENCRYPT, ModeOfUse.DECRYPT, ModeOfUse.BOTH_DIRECTIONS)
    ]
    ours, theirs = itertools.cycle(blocks), itertools.cycle(blocks)
    measured = measure(
        {
            "psec": lambda: psec.tr31.unwrap(kbpk, next(theirs)),
            "opened": lambda: opened.unwrap(next(ours)),
        }
    )
    return (
        f"Unwrapping {len(blocks)} D blocks (AES-256) in turns, no two with the same header:"
        f" psec {measured.microseconds('psec'):.1f} µs, keyferry"
        f" {measured.microseconds('opened'):.2f} µs, {measured.ratio('psec', 'opened'):.1f} ×."
    )
