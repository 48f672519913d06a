"""The ops of tr31.json: key blocks."""

from __future__ import annotations

from dataclasses import replace

from keyferry.crypto.keyblock import KBPK, BlockVersion, KeyBlockHeader, OptionalBlock
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value
from keyferry.selftest.families.key_values import block_kcv

_VERSIONS = {version.value: version for version in BlockVersion}


def header_members(header: KeyBlockHeader) -> dict[str, Value]:
    """Return a header as the files write it."""
    return {
        "version": header.version.value,
        "length": header.length,
        "usage": header.usage,
        "algorithm": header.algorithm.value,
        "mode_of_use": header.mode.value,
        "key_version": header.key_version,
        "exportability": header.exportability.value,
        "key_context": header.context,
        "optional_blocks": [[block.id, block.data] for block in header.optional_blocks],
    }


def unwrap(case: Case) -> dict[str, Value]:
    """Open a block with the KBPK; the version says of which cipher that is."""
    kbpk, block = case.hex("kbpk"), case.text("block")
    version = KeyBlockHeader.parse(block).version
    unwrapped = KBPK(version.cipher, kbpk).unwrap(block)
    return {
        "key": unwrapped.key,
        "header": header_members(unwrapped.header),
        "kcv": block_kcv(unwrapped.header.algorithm, unwrapped.key),
    }


def wrap(case: Case) -> dict[str, Value]:
    """Wrap a key with given padding, which makes the block exact."""
    version = case.choice("version", _VERSIONS)
    fields, context = case.text("header_fields"), case.text("key_context")
    optional_blocks = tuple(OptionalBlock(*pair) for pair in case.pairs("optional_blocks"))
    bare = KeyBlockHeader.parse(f"{version}0000{fields}00{context}0")
    header = replace(bare, optional_blocks=optional_blocks, length=None)
    key, padding = case.hex("key"), case.hex("padding")
    block = KBPK(version.cipher, case.hex("kbpk")).wrap(
        header,
        key,
        masked_bytes=len(key) + len(padding),
        random_bytes=lambda _: padding,
        allow_legacy=True,
    )
    return {"block": block}


def derive(case: Case) -> dict[str, Value]:
    """Derive encryption and MAC key of a version."""
    version = case.choice("version", _VERSIONS)
    kbek, kbak = KBPK(version.cipher, case.hex("kbpk")).derive(version)
    return {"kbek": kbek, "kbak": kbak}


def parse_header(case: Case) -> dict[str, Value]:
    """Parse the header of a block without a key."""
    return {"header": header_members(KeyBlockHeader.parse(case.text("block")))}


OPS = {"unwrap": unwrap, "wrap": wrap, "derive": derive, "parse_header": parse_header}
