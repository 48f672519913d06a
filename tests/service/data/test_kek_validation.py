"""GenerateAs2805KekValidation: both halves, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

NAME = "GenerateAs2805KekValidation"


def asked(arn: str, mask: str = "VARIANT_MASK_82", **kind: dict[str, str]) -> dict[str, Any]:
    return {
        "KeyIdentifier": arn,
        "KekValidationType": kind,
        "RandomKeySendVariantMask": mask,
    }


@pytest.mark.parametrize(
    ("mask", "send", "receive"),
    [
        (
            "VARIANT_MASK_82",
            "AFAA7C7B90C91DCFF825BAAF87202BD6",
            "A2D72D9B5694B1AE4E6DEF9A70ABAA70",
        ),
        (
            "VARIANT_MASK_82C0",
            "6D75601E3D76FA761F5AFD50F4C2883C",
            "9A854F2CCA07D41316FB4E139D09ECB3",
        ),
    ],
)
async def test_response(shared: Any, tools: Any, mask: str, send: str, receive: str) -> None:
    """What the partner sent is echoed, and answered as worked."""
    arn = shared.put("K0", "TDES_2KEY", "B", tools.tdes)
    answer = await shared.call(
        NAME, **asked(arn, mask, KekValidationResponse={"RandomKeySend": send.lower()})
    )
    assert answer == {
        "KeyArn": arn,
        "KeyCheckValue": "08D7B4",
        "RandomKeySend": send,
        "RandomKeyReceive": receive,
    }


@pytest.mark.parametrize("mask", ["VARIANT_MASK_82", "VARIANT_MASK_82C0"])
@pytest.mark.parametrize(
    ("algorithm", "limit", "digits"),
    [
        ("TDES_2KEY", None, 32),
        ("TDES_3KEY", None, 48),
        ("TDES_2KEY", "BYTES_8", 16),
        ("TDES_3KEY", "BYTES_16", 32),
        ("TDES_2KEY", "BYTES_24", 32),
    ],
)
async def test_request_is_answered_by_the_other_half(
    shared: Any, tools: Any, mask: str, algorithm: str, limit: str | None, digits: int
) -> None:
    """A node with the same KEK answers what the request expects; one with another does not."""
    arn = shared.put("K0", "TDES_2KEY", "B", tools.tdes)
    request = {"DeriveKeyAlgorithm": algorithm}
    if limit is not None:
        request["RandomKeyMaxLength"] = limit
    begun = await shared.call(NAME, **asked(arn, mask, KekValidationRequest=request))
    assert len(begun["RandomKeySend"]) == digits
    response = {"RandomKeySend": begun["RandomKeySend"]}
    answered = await shared.call(NAME, **asked(arn, mask, KekValidationResponse=response))
    assert answered["RandomKeyReceive"] == begun["RandomKeyReceive"]
    other = shared.put("K0", "TDES_2KEY", "B", "FEDCBA98765432100123456789ABCDEF")
    answered = await shared.call(NAME, **asked(other, mask, KekValidationResponse=response))
    assert answered["RandomKeyReceive"] != begun["RandomKeyReceive"]


@pytest.mark.parametrize("algorithm", ["AES_128", "AES_256", "HMAC_SHA256"])
async def test_random_keys_are_tdes(shared: Any, tools: Any, algorithm: str) -> None:
    """The protocol knows no others."""
    arn = shared.put("K0", "TDES_2KEY", "B", tools.tdes)
    refusal = await shared.refused(
        NAME, **asked(arn, KekValidationRequest={"DeriveKeyAlgorithm": algorithm})
    )
    assert refusal.message.startswith("DeriveKeyAlgorithm")


@pytest.mark.parametrize(
    ("code", "algorithm", "letter"),
    [
        ("K1", "TDES_2KEY", "B"),
        ("K0", "TDES_2KEY", "E"),
        ("K0", "TDES_2KEY", "N"),
        ("K0", "TDES_3KEY", "B"),
        ("K0", "AES_128", "B"),
    ],
)
async def test_other_keys(shared: Any, tools: Any, code: str, algorithm: str, letter: str) -> None:
    """Only a TDES_2KEY K0 key with all four modes."""
    material = tools.tdes_3 if algorithm == "TDES_3KEY" else tools.tdes
    arn = shared.put(code, algorithm, letter, material)
    refusal = await shared.refused(
        NAME, **asked(arn, KekValidationRequest={"DeriveKeyAlgorithm": "TDES_2KEY"})
    )
    assert "not allowed for this operation" in refusal.message
