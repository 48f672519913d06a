"""TranslateKeyMaterial: a key block from under an agreed key to under a stored one."""

from __future__ import annotations

from dataclasses import replace

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    OptionalBlock,
    UnwrappedKey,
)
from keyferry.errors import KeyBlockError
from keyferry.keys import (
    KeyAlgorithm,
    KeyUsage,
    WrappingMethod,
    check_material,
    check_strength,
    key_check_value,
)
from keyferry.service.data.context import DataContext
from keyferry.service.data.eligibility import Role
from keyferry.service.data.key_agreement import Agreement, agree_on_key
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import UNOPENED_BLOCK
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

TR31_KEY_BLOCK = "TR31_KEY_BLOCK"

_KEK_USAGES = (
    KeyUsage.TR31_K0_KEY_ENCRYPTION_KEY,
    KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
)
# Optional blocks that speak of the old wrapping: fill, and the check value of the wrapping key.
_FILL, _WRAPPING_CHECK_VALUE, _HMAC_HASH = "PB", "KP", "HM"
_LEGACY_KCV_BYTES, _CMAC_KCV_BYTES = 3, 5


@DATA.operation("TranslateKeyMaterial", read_only=True)
async def translate_key_material(
    context: DataContext, request: t.TranslateKeyMaterialInput
) -> t.TranslateKeyMaterialOutput:
    """
    Open a block under the key agreed on with its sender and wrap it under a KEK.

    What the header says of the key stays as it is. Nothing is stored.
    """
    incoming = request.incoming_key_material.diffie_hellman_tr31_key_block
    outgoing = request.outgoing_key_material.tr31_key_block
    if incoming is None or outgoing is None:
        raise InvalidRequestError("KeyMaterial: exactly one member is expected")
    pair = context.find(incoming.private_key_identifier)
    authority = context.find(incoming.certificate_authority_public_key_identifier)
    kek = context.find(outgoing.wrapping_key_identifier)
    context.require(kek, Role.WRAP_KEY)

    shared_info = incoming.derivation_data.shared_information
    if shared_info is None:
        raise InvalidRequestError("DerivationData: expected SharedInformation")
    algorithm = KeyAlgorithm(incoming.derive_key_algorithm)
    key = await agree_on_key(
        context,
        Agreement(
            pair=pair,
            authority=authority,
            certificate=incoming.public_key_certificate,
            algorithm=algorithm,
            kdf=incoming.key_derivation_function,
            hash_name=incoming.key_derivation_hash_algorithm,
            shared_info=shared_info,
            usages=_KEK_USAGES,
        ),
    )
    carried = _unwrap(algorithm, key, incoming.wrapped_key_block)
    if carried.header.exportability is Exportability.NONE:
        raise refused("WrappedKeyBlock", "the key in the block is not exportable")
    carried_algorithm = _algorithm(carried)
    check_material(carried_algorithm, carried.key)
    check_strength(carried_algorithm, method=WrappingMethod.TR31, wrapping=kek.algorithm)
    check_value, _ = key_check_value(
        carried_algorithm, carried.key, request.key_check_value_algorithm
    )
    return t.TranslateKeyMaterialOutput(
        wrapped_key=t.WrappedWorkingKey(
            wrapped_key_material=kek.kbpk().wrap(_header(carried.header, kek), carried.key),
            wrapped_key_material_format=TR31_KEY_BLOCK,
            key_check_value=check_value,
        )
    )


def _unwrap(algorithm: KeyAlgorithm, key: bytes, block: str) -> UnwrappedKey:
    cipher = Cipher.TDES if algorithm.is_tdes else Cipher.AES
    try:
        return KBPK(cipher, key).unwrap(block)
    except KeyBlockError:
        raise refused("WrappedKeyBlock", UNOPENED_BLOCK) from None


def _algorithm(carried: UnwrappedKey) -> KeyAlgorithm:
    """
    What kind of key a block carries.

    Its usage may be one the API has no name for (an initial key, say): it only passes through.
    """
    header, size = carried.header, len(carried.key)
    found = None
    if header.algorithm is Algorithm.TDES:
        found = KeyAlgorithm.tdes_of(size)
    elif header.algorithm is Algorithm.AES:
        found = KeyAlgorithm.aes_of(size)
    elif header.algorithm is Algorithm.HMAC:
        hashes = [block.data for block in header.optional_blocks if block.id == _HMAC_HASH]
        found = KeyAlgorithm.hmac_of(hashes[0]) if hashes else None
    if found is None:
        raise refused("WrappedKeyBlock", "expected a TDES, AES or HMAC key of a known length")
    return found


def _header(header: KeyBlockHeader, kek: OpenedKey) -> KeyBlockHeader:
    """The same header for a block under another key."""
    blocks = tuple(
        OptionalBlock(block.id, _kek_check_value(kek))
        if block.id == _WRAPPING_CHECK_VALUE
        else block
        for block in header.optional_blocks
        if block.id != _FILL
    )
    version = BlockVersion.B if kek.is_tdes else BlockVersion.D
    return replace(header, version=version, optional_blocks=blocks)


def _kek_check_value(kek: OpenedKey) -> str:
    """Method and check value of the wrapping key (X9.143-2021, 6.3.6.9)."""
    with kek.material() as material:
        if kek.is_tdes:
            return "00" + tdes_kcv(material.reveal(), size=_LEGACY_KCV_BYTES).hex().upper()
        value = cmac_kcv(Cipher.AES, material.reveal(), size=_CMAC_KCV_BYTES)
        return "01" + value.hex().upper()
