"""Requests of the right shape with any content: an answer or a refusal, never a fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.service.wire import data_types
from keyferry.service.wire.shapes import Number, Structure, Text

OPERATIONS = sorted(data_types.OPERATIONS)
KEK = bytes(range(32))
# Usages an operation has a use for: most requests name one of these.
USAGES = {
    "DecryptData": "D0 D1 B0 E1 E6 K1 K3",
    "EncryptData": "D0 D1 B0 E1 E6 K1 K3",
    "GenerateAs2805KekValidation": "K0",
    "GenerateAuthRequestCryptogram": "E0",
    "GenerateCardValidationData": "C0 E4 E6",
    "GenerateMac": "M0 M1 M3 M6 M7 E2 B0",
    "GenerateMacEmvPinChange": "P0 E0 E1 E2",
    "GeneratePinData": "P0 V1 V2 K1",
    "ReEncryptData": "D0 D1 B0 K1",
    "TranslateKeyMaterial": "K1 K3",
    "TranslatePinData": "P0 B0 K1",
    "VerifyAuthRequestCryptogram": "E0",
    "VerifyCardValidationData": "C0 E4 E6",
    "VerifyMac": "M0 M1 M3 M6 M7 E2 B0",
    "VerifyPinData": "P0 V1 V2 B0 K1",
}


@pytest.fixture(scope="module")
def arns(shared: Any) -> list[tuple[str, str]]:
    """Keys with their usage, of modes and algorithms that operations want and do not want."""
    made: list[tuple[str, str]] = []

    def put(code: str, *given: Any, **members: Any) -> None:
        made.append((code, shared.put(code, *given, **members)))

    for code in ("B0", "D0", "P0", "K0", "K1", "M6", "M7", "V1", "V2", "C0", "E0", "E1"):
        letter = {"B": "X", "E": "X", "D": "B", "P": "B", "K": "B"}.get(code[0], "C")
        for algorithm, size in (("TDES_2KEY", 16), ("AES_256", 32)):
            material = KEK if size == 32 else bytes(range(1, 17))
            put(code, algorithm, letter, material[:size])
    for code in ("E2", "E4", "E6", "M0", "M1", "M3"):
        letter = "X" if code[0] == "E" else "C"
        put(code, "TDES_2KEY", letter, bytes(range(1, 17)))
    put("M7", "HMAC_SHA512", "C", bytes(64))
    put("D1", "RSA_2048", "B", rsa.generate_private_key(65537, 2048))
    put("K3", "ECC_NIST_P256", "X", ec.generate_private_key(ec.SECP256R1()))
    put("D0", "AES_128", "B", bytes(16), enabled=False)
    return [*made, ("", "alias/nobody")]


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """Key blocks that open under the AES keys above, and some that do not."""
    made = []
    for usage in ("P0", "D0", "B1"):
        for algorithm, key in (("T", bytes(16)), ("A", bytes(range(32))), ("H", bytes(20))):
            header = KeyBlockHeader(
                version=BlockVersion.D,
                usage=usage,
                algorithm=Algorithm(algorithm),
                mode=ModeOfUse.BOTH_DIRECTIONS,
                exportability=Exportability.EXPORTABLE,
            )
            made.append(KBPK(Cipher.AES, KEK).wrap(header, key))
    return [*made, "D0112P0TE00E0000" + "0" * 96, "0" * 60]


def texts(name: str, shape: Text, arns: list[str], blocks: list[str]) -> st.SearchStrategy[str]:
    if shape.enum:
        return st.sampled_from(shape.enum)
    if name == "KeyArnOrKeyAliasType":
        return st.sampled_from(arns)
    if name == "Tr31WrappedKeyBlock":
        return st.sampled_from(blocks)
    if name == "CertificateType":
        return st.sampled_from(["AAAA", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "not base64!"])
    digits = "0123456789" if shape.pattern == "[0-9]+" else "0123456789ABCDEFabcdef"
    if name == "HexLengthEquals1":
        digits = "0123456789ABCDEF"
    low, high = shape.minimum or 1, min(shape.maximum or 64, 80)
    pairs = "]{16}" in (shape.pattern or "") or "][" in (shape.pattern or "")
    sizes = [size for size in range(low, max(low, high) + 1) if not pairs or size % 2 == 0]
    if "{20}" in (shape.pattern or ""):
        sizes = [16, 20, 24]
    elif "{48}" in (shape.pattern or ""):
        sizes = [16, 32, 48]
    elif "]{16}" in (shape.pattern or ""):
        sizes = [16, 32]
    weighted = sorted({*sizes} & {8, 16, 32, 48}) or sizes
    return st.one_of(st.sampled_from(weighted), st.sampled_from(sizes)).flatmap(
        lambda size: st.text(digits, min_size=size, max_size=size)
    )


def members_of(name: str, arns: list[str], blocks: list[str]) -> st.SearchStrategy[Any]:
    shape = data_types.SHAPES[name]
    match shape:
        case Text():
            return texts(name, shape, arns, blocks)
        case Number():
            return st.integers(shape.minimum or 0, shape.maximum or 9)
        case Structure():

            @st.composite
            def one(draw: Any) -> dict[str, Any]:
                names = list(shape.members)
                if shape.union:
                    names = [draw(st.sampled_from(names))]
                return {
                    member: draw(members_of(shape.members[member], arns, blocks))
                    for member in names
                    if shape.union or member in shape.required or draw(st.integers(0, 2)) == 0
                }

            return one()
        case _:
            raise AssertionError(name)


def fuzz(
    shared: Any,
    tools: Any,
    keys: list[tuple[str, str]],
    blocks: list[str],
    name: str,
    runs: int,
) -> None:
    outcomes: set[str] = set()
    wanted = [arn for code, arn in keys if code in USAGES[name].split()]
    arns = wanted * (len(keys) // len(wanted) * 4) + [arn for _, arn in keys]

    @given(members_of(f"{name}Input", arns, blocks))
    @settings(
        max_examples=runs, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    def check(members: dict[str, Any]) -> None:
        outcome, message = "OK", ""
        try:
            asyncio.run(shared.call(name, **members))
        except tools.refused as refusal:
            outcome, message = refusal.name, refusal.message
        outcomes.add(outcome)
        assert outcome in (
            *("OK", "ValidationException", "VerificationFailedException"),
            "ResourceNotFoundException",
        )
        for secret in ("PrimaryAccountNumber", "PlainText", "EncryptedPinBlock"):
            value = members.get(secret)
            assert not isinstance(value, str) or value not in message

    check()
    assert "ValidationException" in outcomes


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_faults(
    shared: Any, tools: Any, arns: list[tuple[str, str]], blocks: list[str], name: str
) -> None:
    """Sixty requests to each operation."""
    fuzz(shared, tools, arns, blocks, name, 60)


@pytest.mark.soak
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_faults_at_length(
    shared: Any, tools: Any, arns: list[tuple[str, str]], blocks: list[str], name: str
) -> None:
    """Five thousand."""
    fuzz(shared, tools, arns, blocks, name, 5000)
