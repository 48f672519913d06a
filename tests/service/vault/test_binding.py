"""A binding tells two records apart that differ in any immutable member, and no others."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.store.records import (
    AuthorityRecord,
    CertificateFamily,
    KeyOrigin,
    KeyRecord,
    KeyState,
    Sealed,
    TokenPurpose,
    TokenRecord,
)
from keyferry.service.vault.binding import (
    authority_binding,
    encode_binding,
    key_binding,
    token_binding,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(microseconds=1)
SEALED = Sealed(b"w", b"c")
PIN_KEY = KeyAttributes(
    key_usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    key_class=KeyClass.SYMMETRIC_KEY,
    key_algorithm=KeyAlgorithm.AES_128,
    modes_of_use=ModesOfUse.from_letter("B"),
)
KEY = KeyRecord(
    account="111122223333",
    key_id="abcdefghijklmnop",
    attributes=PIN_KEY,
    exportability=Exportability.NONE,
    origin=KeyOrigin.EXTERNAL,
    check_value="AABBCC",
    check_value_algorithm="CMAC",
    created_at=NOW,
)
TOKEN = TokenRecord(
    account="111122223333",
    token="import-token-abcdefghijklmnop",
    purpose=TokenPurpose.IMPORT,
    material_type="TR34_KEY_BLOCK",
    algorithm="RSA_2048",
    certificate=b"leaf",
    sealed=SEALED,
    created_at=NOW,
    valid_until=LATER,
)
AUTHORITY = AuthorityRecord(
    account="111122223333",
    family=CertificateFamily.RSA,
    certificate=b"root",
    sealed=SEALED,
    created_at=NOW,
)

IMMUTABLE_KEY_CHANGES: dict[str, Any] = {
    "account": "444455556666",
    "key_id": "bbcdefghijklmnop",
    "attributes": replace(PIN_KEY, key_usage=KeyUsage.TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY),
    "exportability": Exportability.EXPORTABLE,
    "origin": KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
    "check_value": "AABBCD",
    "check_value_algorithm": "ANSI_X9_24",
    "derive_key_usage": KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
    "optional_blocks": (OptionalBlock("LB", "x"),),
    "key_version": "01",
    "public_key": b"",
    "certificate": b"",
    "issuer_key_id": "",
    "created_at": LATER,
}
MUTABLE_KEY_CHANGES: dict[str, Any] = {
    "state": KeyState.DELETE_PENDING,
    "enabled": False,
    "usage_started_at": NOW,
    "usage_stopped_at": NOW,
    "delete_pending_at": NOW,
    "deleted_at": NOW,
    "sealed": SEALED,
    "revision": 2,
}


def test_every_member_of_a_key_is_either() -> None:
    """A member added to KeyRecord has to be put on one of the two sides."""
    assert {field.name for field in fields(KeyRecord)} == {
        *IMMUTABLE_KEY_CHANGES,
        *MUTABLE_KEY_CHANGES,
    }


@pytest.mark.parametrize("member", IMMUTABLE_KEY_CHANGES)
def test_immutable_members_are_bound(member: str) -> None:
    """Another value of it is another binding."""
    changed = replace(KEY, **{member: IMMUTABLE_KEY_CHANGES[member]})
    assert key_binding("us-east-1", changed) != key_binding("us-east-1", KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"key_class": KeyClass.PUBLIC_KEY},
        {"key_algorithm": KeyAlgorithm.AES_256},
        {"modes_of_use": ModesOfUse.from_letter("D")},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_attribute_is_bound(changes: dict[str, Any]) -> None:
    """Class, algorithm and modes as well as usage."""
    changed = replace(KEY, attributes=replace(PIN_KEY, **changes))
    assert key_binding("us-east-1", changed) != key_binding("us-east-1", KEY)


@pytest.mark.parametrize("member", MUTABLE_KEY_CHANGES)
def test_mutable_members_are_not(member: str) -> None:
    """Stopping, deleting and restoring a key leaves its seal alone."""
    changed = replace(KEY, **{member: MUTABLE_KEY_CHANGES[member]})
    assert key_binding("us-east-1", changed) == key_binding("us-east-1", KEY)


def test_region_and_kind_are_bound() -> None:
    """The same record in another Region, or as another kind, is something else."""
    assert key_binding("us-east-1", KEY) != key_binding("us-west-2", KEY)
    assert token_binding("us-east-1", TOKEN) != token_binding("us-west-2", TOKEN)
    assert authority_binding("us-east-1", AUTHORITY) != authority_binding("us-west-2", AUTHORITY)
    assert encode_binding("key", "a") != encode_binding("token", "a")


@pytest.mark.parametrize(
    ("binding", "record", "changes"),
    [
        (
            token_binding,
            TOKEN,
            {
                "account": "4",
                "token": "import-token-x",
                "purpose": TokenPurpose.EXPORT,
                "material_type": "KEY_CRYPTOGRAM",
                "algorithm": "RSA_4096",
                "certificate": b"other",
                "created_at": LATER,
                "valid_until": NOW,
            },
        ),
        (
            authority_binding,
            AUTHORITY,
            {
                "account": "4",
                "family": CertificateFamily.ECC,
                "certificate": b"other",
                "created_at": LATER,
            },
        ),
    ],
    ids=["token", "authority"],
)
def test_tokens_and_authorities(binding: Any, record: Any, changes: dict[str, Any]) -> None:
    """Every member but the seal itself is bound."""
    assert {field.name for field in fields(record)} == {*changes, "sealed"}
    for member, value in changes.items():
        changed = replace(record, **{member: value})
        assert binding("us-east-1", changed) != binding("us-east-1", record), member
    assert binding("r", replace(record, sealed=Sealed(b"", b""))) == binding("r", record)


def test_fields_do_not_run_together() -> None:
    """Nothing, empty, text, bytes, numbers and nesting are all different."""
    bindings = [
        encode_binding("x", "ab", "c"),
        encode_binding("x", "a", "bc"),
        encode_binding("x", "abc"),
        encode_binding("x", ("ab", "c")),
        encode_binding("x", "ab", b"c"),
        encode_binding("x", "ab", None),
        encode_binding("x", "ab", ""),
        encode_binding("x", "ab", b""),
        encode_binding("x", "ab", 0),
        encode_binding("x", "ab", "0"),
    ]
    assert len(set(bindings)) == len(bindings)


def test_the_encoding_stays() -> None:
    """Seals of older releases must open: MessagePack, written out by hand."""
    assert encode_binding("k", "é", b"\x00", None, (1, -1)) == (
        b"\x95\xackeyferry k 1\xa2\xc3\xa9\xc4\x01\x00\xc0\x92\x01\xff"
    )
