"""Key blocks against the known answers, must-fail cases by the class that refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import (
    KeyBlockAuthenticationError,
    KeyferryError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)

# What a case's reason means for us. "version" covers vendors' digits and unknown letters.
CLASSES = {
    "mac": (KeyBlockAuthenticationError, MalformedKeyBlockError),
    "length": (MalformedKeyBlockError,),
    "header": (MalformedKeyBlockError,),
    "encoding": (MalformedKeyBlockError,),
    "content": (MalformedKeyBlockError,),
    "version": (MalformedKeyBlockError, UnsupportedKeyBlockError),
    "kbpk": (KeySizeError,),
}


def open_kbpk(vector: dict[str, Any], version: str) -> KBPK:
    """The KBPK of a case, of the cipher the version letter wants."""
    cipher = Cipher.TDES if version in "ABC" else Cipher.AES
    return KBPK(cipher, bytes.fromhex(vector["kbpk"]))


def shown(header: KeyBlockHeader) -> dict[str, Any]:
    """A header in the words of the vector file."""
    return {
        "version": header.version,
        "length": header.length,
        "usage": header.usage,
        "algorithm": header.algorithm,
        "mode_of_use": header.mode,
        "key_version": header.key_version,
        "exportability": header.exportability,
        "key_context": header.context,
        "optional_blocks": [[block.id, block.data] for block in header.optional_blocks],
    }


@pytest.mark.vectors("tr31", "unwrap")
def test_unwrap(vector: dict[str, Any]) -> None:
    """A good block opens to its key and header; a bad one is refused for its reason."""
    block = vector["block"]
    if vector.get("expect") == "error":
        expected = CLASSES.get(vector.get("reason"), (KeyferryError,))
        with pytest.raises(expected):
            open_kbpk(vector, block[0]).unwrap(block)
        return
    kbpk = open_kbpk(vector, block[0])
    # Twice: the first opening runs on fresh contexts, the second on kept ones.
    for opened in (kbpk.unwrap(block), kbpk.unwrap(block)):
        assert opened.key.hex().upper() == vector["key"]
        assert shown(opened.header) == vector["header"]
        assert block.startswith(opened.header.encode())
        if vector["kcv"] is not None:
            tdes = opened.header.algorithm in ("T", "D")
            kcv = tdes_kcv(opened.key) if tdes else cmac_kcv(Cipher.AES, opened.key)
            assert kcv.hex().upper() == vector["kcv"]


@pytest.mark.vectors("tr31", "wrap")
def test_wrap(vector: dict[str, Any]) -> None:
    """With its padding given, a block comes out character by character."""
    usage, algorithm, mode, version, exportability = (
        vector["header_fields"][part]
        for part in (slice(2), slice(2, 3), slice(3, 4), slice(4, 6), slice(6, 7))
    )
    header = KeyBlockHeader(
        version=BlockVersion(vector["version"]),
        usage=usage,
        algorithm=Algorithm(algorithm),
        mode=ModeOfUse(mode),
        key_version=version,
        exportability=Exportability(exportability),
        optional_blocks=tuple(OptionalBlock(*block) for block in vector["optional_blocks"]),
        context=vector["key_context"],
    )
    key, padding = bytes.fromhex(vector["key"]), bytes.fromhex(vector["padding"])
    kbpk = open_kbpk(vector, vector["version"])
    for _ in range(2):
        block = kbpk.wrap(
            header,
            key,
            masked_bytes=len(key) + len(padding),
            random_bytes=lambda _: padding,
            allow_legacy=True,
        )
        assert block == vector["block"]


@pytest.mark.vectors("tr31", "derive")
def test_derive(vector: dict[str, Any]) -> None:
    """KBEK and KBAK are the known ones."""
    kbek, kbak = open_kbpk(vector, vector["version"]).derive(BlockVersion(vector["version"]))
    assert (kbek.hex().upper(), kbak.hex().upper()) == (vector["kbek"], vector["kbak"])


@pytest.mark.vectors("tr31", "parse_header")
def test_parse_header(vector: dict[str, Any]) -> None:
    """A header is read without a KBPK."""
    header = shown(KeyBlockHeader.parse(vector["block"]))
    assert {name: header[name] for name in vector["header"]} == vector["header"]
