"""
The key that does the work: a stored key itself, or one that travels inside the request.

A request may bring its key along: in a TR-31 key block under a stored KEK, or as what two ECC keys
agree on. The identifier then names the KEK or our key pair, and so does the ARN in the answer; the
check value is that of the key that did the work (our choice: the guide shows either).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock import ModeOfUse
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import KeyBlockError
from keyferry.keys import (
    KeyAlgorithm,
    KeyUsage,
    WrappingMethod,
    attributes_from_header,
    check_strength,
    key_check_value,
)
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.key_agreement import Agreement, agree_on_key
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.wire import data_types as t

# Malformed, changed, or under another key: one text, so that a forger learns nothing.
UNOPENED_BLOCK = "the key block is malformed or does not verify under the key encryption key"

_ENCRYPTING_MODES = frozenset(
    {
        ModeOfUse.BOTH_DIRECTIONS,
        ModeOfUse.DECRYPT,
        ModeOfUse.ENCRYPT,
        ModeOfUse.NO_RESTRICTIONS,
    }
)
_DECRYPTING_MODES = _ENCRYPTING_MODES - {ModeOfUse.ENCRYPT}


@dataclass(slots=True)
class WorkingKey:
    """An opened key, and what the answer says of it."""

    key: CipherKey
    arn: str
    check_value: str


class KeySource:
    """
    What a request names for one side of an operation, found and not yet judged.

    `key` is the key of the identifier. `wrapped` is what the request brings along, if anything;
    `authority` then vouches for the peer of an ECDH agreement.
    """

    __slots__ = ("authority", "key", "wrapped")

    def __init__(
        self, key: OpenedKey, wrapped: t.WrappedKey | None, authority: OpenedKey | None
    ) -> None:
        self.key = key
        self.wrapped = wrapped
        self.authority = authority

    @classmethod
    def find(cls, context: DataContext, identifier: str, wrapped: t.WrappedKey | None) -> Self:
        """Find every key the side names; ResourceNotFoundError, AccessDeniedError."""
        key = context.find(identifier)
        if wrapped is None:
            return cls(key, None, None)
        ecdh = wrapped.wrapped_key_material.diffie_hellman_symmetric_key
        if ecdh is None:
            return cls(key, wrapped, None)
        return cls(key, wrapped, context.find(ecdh.certificate_authority_public_key_identifier))

    def stored(self, context: DataContext, role: Role) -> WorkingKey:
        """
        Return the stored key as a cipher key.

        Raises:
            InvalidRequestError: it may not serve in `role`.
        """
        key = context.require(self.key, role)
        return WorkingKey(key.cipher_key(), key.arn, key.check_value)

    async def carried(
        self, context: DataContext, wrapped: t.WrappedKey, usage: KeyUsage, *, encrypts: bool
    ) -> WorkingKey:
        """
        Open the key a request brings along.

        Args:
            usage: D0 or P0: what the key must be for.
            encrypts: whether this side encrypts; a block for decryption alone serves it too, as in
                the guide, but not the other way round.

        Raises:
            InvalidRequestError: KEK or pair may not do this, the block does not open, or its key
                is for something else.
            KeyStrengthError: the key is stronger than its KEK.
            CertificateError, KeyAgreementError: the peer of an ECDH agreement is not to be trusted,
                or has a key of another curve.
        """
        method = wrapped.key_check_value_algorithm
        material = wrapped.wrapped_key_material
        if material.tr31_key_block is not None:
            kek = context.require(self.key, Role.UNWRAP_KEY)
            algorithm, key = _open_block(kek, material.tr31_key_block, usage, encrypts=encrypts)
        elif material.diffie_hellman_symmetric_key is not None and self.authority is not None:
            ecdh = material.diffie_hellman_symmetric_key
            algorithm = KeyAlgorithm(ecdh.key_algorithm)
            key = await agree_on_key(
                context,
                Agreement(
                    pair=self.key,
                    authority=self.authority,
                    certificate=ecdh.public_key_certificate,
                    algorithm=algorithm,
                    kdf=ecdh.key_derivation_function,
                    hash_name=ecdh.key_derivation_hash_algorithm,
                    shared_info=ecdh.shared_information,
                    usages=(usage,),
                ),
            )
        else:
            raise InvalidRequestError("WrappedKeyMaterial: exactly one member is expected")
        check_value, _ = key_check_value(algorithm, key, method)
        return WorkingKey(opened(algorithm, key), self.key.arn, check_value)


def opened(algorithm: KeyAlgorithm, key: bytes) -> CipherKey:
    """Open a TDES or AES key; a TDES key as TDESKey, for the algorithms that want one."""
    return TDESKey(key) if algorithm.is_tdes else CipherKey(Cipher.AES, key)


def _open_block(
    kek: OpenedKey, block: str, usage: KeyUsage, *, encrypts: bool
) -> tuple[KeyAlgorithm, bytes]:
    try:
        unwrapped = kek.kbpk().unwrap(block)
    except KeyBlockError:
        raise refused("WrappedKey", UNOPENED_BLOCK) from None
    header = unwrapped.header
    if header.usage != usage.code:
        raise refused("WrappedKey", f"expected a key block of usage {usage.code}")
    allowed = _ENCRYPTING_MODES if encrypts else _DECRYPTING_MODES
    if header.mode not in allowed:
        letters = ", ".join(sorted(mode.value for mode in allowed))
        raise refused("WrappedKey", f"expected a key block of mode of use {letters}")
    algorithm = attributes_from_header(header, unwrapped.key).key_algorithm
    check_strength(algorithm, method=WrappingMethod.TR31, wrapping=kek.algorithm)
    return algorithm, unwrapped.key
