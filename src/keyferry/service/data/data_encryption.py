"""EncryptData, DecryptData, ReEncryptData: symmetric, RSA, DUKPT and EMV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.emv import derive_common_session_key
from keyferry.crypto.rsa_data import RSAPadding, rsa_decrypt, rsa_encrypt
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import DataSizeError, RSADecryptionError, StoreIntegrityError
from keyferry.keys import KeyUsage
from keyferry.service.data import dukpt_keys
from keyferry.service.data.cipher_modes import SLOW_MODE, Transform, block_transform
from keyferry.service.data.context import DataContext
from keyferry.service.data.dukpt_keys import dukpt_key
from keyferry.service.data.eligibility import NOT_ALLOWED, Role
from keyferry.service.data.emv_keys import icc_master_key
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import KeySource
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

DEFAULT_MODE = "CBC"

# One text for whatever goes wrong behind an RSA decryption: its padding, or what came out of it.
_NOT_DECRYPTED = "does not decrypt with this key and padding"

Attributes = t.EncryptionDecryptionAttributes | t.ReEncryptionAttributes


@dataclass(slots=True)
class Side:
    """One side of an operation, ready to run: its key is judged, its parameters are checked."""

    run: Transform
    arn: str
    check_value: str
    is_slow: bool = False  # and lets others go on meanwhile
    is_private_rsa: bool = False


@DATA.operation("EncryptData", read_only=True)
async def encrypt_data(context: DataContext, request: t.EncryptDataInput) -> t.EncryptDataOutput:
    """Encrypt with a stored key, one derived from it, or one the request brings along."""
    source = KeySource.find(context, request.key_identifier, request.wrapped_key)
    side = await _prepare(context, source, request.encryption_attributes, encrypts=True)
    data = await _run(context, side, bytes.fromhex(request.plain_text))
    return t.EncryptDataOutput(
        key_arn=side.arn, key_check_value=side.check_value, cipher_text=data.hex().upper()
    )


@DATA.operation("DecryptData", read_only=True)
async def decrypt_data(context: DataContext, request: t.DecryptDataInput) -> t.DecryptDataOutput:
    """The inverse."""
    source = KeySource.find(context, request.key_identifier, request.wrapped_key)
    side = await _prepare(context, source, request.decryption_attributes, encrypts=False)
    data = await _run(context, side, bytes.fromhex(request.cipher_text))
    return t.DecryptDataOutput(
        key_arn=side.arn, key_check_value=side.check_value, plain_text=data.hex().upper()
    )


@DATA.operation("ReEncryptData", read_only=True)
async def re_encrypt_data(
    context: DataContext, request: t.ReEncryptDataInput
) -> t.ReEncryptDataOutput:
    """Decrypt under one key, encrypt under another; the answer names the outgoing key."""
    incoming = KeySource.find(
        context, request.incoming_key_identifier, request.incoming_wrapped_key
    )
    outgoing = KeySource.find(
        context, request.outgoing_key_identifier, request.outgoing_wrapped_key
    )
    from_attributes = request.incoming_encryption_attributes
    to_attributes = request.outgoing_encryption_attributes
    if (
        not context.rules.re_encrypt_between_stored_keys
        and _is_static(incoming, from_attributes)
        and _is_static(outgoing, to_attributes)
    ):
        context.require(incoming.key, Role.DECRYPT_SYMMETRIC)
        context.require(outgoing.key, Role.ENCRYPT_SYMMETRIC)
        # As the real service: at least one side has a key of its own for each use.
        raise InvalidRequestError(NOT_ALLOWED)
    first = await _prepare(context, incoming, from_attributes, encrypts=False)
    second = await _prepare(context, outgoing, to_attributes, encrypts=True)
    clear = await _run(context, first, bytes.fromhex(request.cipher_text))
    try:
        data = await _run(context, second, clear)
    except DataSizeError:
        if first.is_private_rsa:
            # The length of what RSA gave is not to be told apart from a padding that failed.
            raise refused("CipherText", _NOT_DECRYPTED) from None
        raise
    return t.ReEncryptDataOutput(
        key_arn=second.arn, key_check_value=second.check_value, cipher_text=data.hex().upper()
    )


def _is_static(source: KeySource, attributes: t.ReEncryptionAttributes) -> bool:
    return attributes.symmetric is not None and source.wrapped is None


async def _run(context: DataContext, side: Side, data: bytes) -> bytes:
    if not side.is_slow:
        return side.run(data)
    return await context.offload(lambda: side.run(data))


async def _prepare(
    context: DataContext, source: KeySource, attributes: Attributes, *, encrypts: bool
) -> Side:
    """Judge the key of one side and check its parameters."""
    if (symmetric := attributes.symmetric) is not None:
        return await _symmetric(context, source, symmetric, encrypts=encrypts)
    if source.wrapped is not None:
        raise refused("WrappedKey", "expected with Symmetric attributes only")
    if (dukpt := attributes.dukpt) is not None:
        return _dukpt(context, source, dukpt, encrypts=encrypts)
    if (asymmetric := attributes.asymmetric) is not None:
        return _asymmetric(context, source, asymmetric, encrypts=encrypts)
    emv = attributes.emv if isinstance(attributes, t.EncryptionDecryptionAttributes) else None
    if emv is None:
        raise InvalidRequestError("EncryptionAttributes: exactly one kind is expected")
    return _emv(context, source, emv, encrypts=encrypts)


async def _symmetric(
    context: DataContext,
    source: KeySource,
    attributes: t.SymmetricEncryptionAttributes,
    *,
    encrypts: bool,
) -> Side:
    """`PaddingType` is accepted here and does nothing, as in the real service."""
    wrapped = source.wrapped
    if wrapped is None:
        working = source.stored(
            context, Role.ENCRYPT_SYMMETRIC if encrypts else Role.DECRYPT_SYMMETRIC
        )
    else:
        working = await source.carried(
            context,
            wrapped,
            KeyUsage.TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY,
            encrypts=encrypts,
        )
    mode = attributes.mode
    return Side(
        block_transform(working.key, mode, attributes.initialization_vector, encrypts=encrypts),
        working.arn,
        working.check_value,
        is_slow=mode == SLOW_MODE,
    )


def _dukpt(
    context: DataContext,
    source: KeySource,
    attributes: t.DukptEncryptionAttributes,
    *,
    encrypts: bool,
) -> Side:
    bdk = context.require(source.key, Role.DATA_DUKPT)
    key = dukpt_key(
        bdk,
        dukpt_keys.DATA,
        ksn=attributes.key_serial_number,
        key_type=attributes.dukpt_key_derivation_type,
        variant=attributes.dukpt_key_variant,
    )
    mode = attributes.mode or DEFAULT_MODE
    return Side(
        block_transform(key, mode, attributes.initialization_vector, encrypts=encrypts),
        bdk.arn,
        bdk.check_value,
    )


def _emv(
    context: DataContext,
    source: KeySource,
    attributes: t.EmvEncryptionAttributes,
    *,
    encrypts: bool,
) -> Side:
    imk = context.require(source.key, Role.DATA_EMV)
    master = icc_master_key(
        imk.tdes_key(),
        mode=attributes.major_key_derivation_mode,
        pan=attributes.primary_account_number,
        psn=attributes.pan_sequence_number,
    )
    diversifier = bytes.fromhex(attributes.session_derivation_data)
    key = TDESKey(derive_common_session_key(master, diversifier))
    mode = attributes.mode or DEFAULT_MODE
    return Side(
        block_transform(key, mode, attributes.initialization_vector, encrypts=encrypts),
        imk.arn,
        imk.check_value,
    )


def _asymmetric(
    context: DataContext,
    source: KeySource,
    attributes: t.AsymmetricEncryptionAttributes,
    *,
    encrypts: bool,
) -> Side:
    role = Role.ENCRYPT_ASYMMETRIC if encrypts else Role.DECRYPT_ASYMMETRIC
    key = context.require(source.key, role)
    name = attributes.padding_type
    padding = None if name is None else RSAPadding(name)
    if encrypts:
        public = key.public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise StoreIntegrityError(f"key {key.record.key_id} is not what its record says")
        rsa_public: rsa.RSAPublicKey = public
        return Side(lambda data: rsa_encrypt(rsa_public, data, padding), key.arn, key.check_value)
    private = key.private_key()
    if not isinstance(private, rsa.RSAPrivateKey):
        raise StoreIntegrityError(f"key {key.record.key_id} is not what its record says")
    return Side(
        _rsa_decryption(private, padding),
        key.arn,
        key.check_value,
        is_slow=True,
        is_private_rsa=True,
    )


def _rsa_decryption(
    private_key: rsa.RSAPrivateKey, padding: RSAPadding | None
) -> Callable[[bytes], bytes]:
    def run(data: bytes) -> bytes:
        try:
            clear = rsa_decrypt(private_key, data, padding)
        except RSADecryptionError:
            clear = b""
        if not clear:
            raise refused("CipherText", _NOT_DECRYPTED)
        return clear

    return run
