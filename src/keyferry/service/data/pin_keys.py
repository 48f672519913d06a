"""PIN encryption keys and PIN blocks as PIN operations name them."""

from __future__ import annotations

from keyferry.crypto.pin_block import PINBlockFormat
from keyferry.keys import KeyUsage
from keyferry.service.data.context import DataContext
from keyferry.service.data.dukpt_keys import PIN, dukpt_key
from keyferry.service.data.eligibility import Role
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import KeySource, WorkingKey

FORMATS = {
    "ISO_FORMAT_0": PINBlockFormat.ISO_0,
    "ISO_FORMAT_1": PINBlockFormat.ISO_1,
    "ISO_FORMAT_3": PINBlockFormat.ISO_3,
    "ISO_FORMAT_4": PINBlockFormat.ISO_4,
}


async def pin_key(
    context: DataContext,
    source: KeySource,
    *,
    role: Role,
    dukpt_role: Role | None = None,
    ksn: str | None = None,
    key_type: str | None = None,
) -> WorkingKey:
    """
    Open the PIN encryption key of one side.

    Args:
        source: what the request names.
        role: of a stored P0 key: it encrypts or decrypts PINs.
        dukpt_role: of a stored BDK; None where the API takes none.
        ksn: of DUKPT, None for a static key; `key_type` as the request has it.

    Raises:
        InvalidRequestError: the key may not serve, or the request mixes ways to name one.
    """
    wrapped = source.wrapped
    if ksn is None or dukpt_role is None:
        if wrapped is None:
            return source.stored(context, role)
        return await source.carried(
            context,
            wrapped,
            KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
            encrypts=role is Role.ENCRYPT_PIN,
        )
    if wrapped is not None:
        raise refused("DukptAttributes", "not together with a wrapped key")
    bdk = context.require(source.key, dukpt_role)
    key = dukpt_key(bdk, PIN, ksn=ksn, key_type=key_type)
    return WorkingKey(key, bdk.arn, bdk.check_value)


def block_bytes(digits: str, pin_format: PINBlockFormat) -> bytes:
    """
    Return an enciphered PIN block as bytes.

    Raises:
        InvalidRequestError: it is not as long as blocks of the format are.
    """
    size = 2 * pin_format.block_size
    if len(digits) != size:
        raise refused(
            "EncryptedPinBlock",
            f"expected {size} hex digits for PIN block format {pin_format.value}",
        )
    return bytes.fromhex(digits)


def needs_pan(pan: str | None) -> str:
    """Return a PAN that may be left out of a request, but not of this one."""
    if pan is None:
        raise refused("PrimaryAccountNumber", "expected with this PIN block format or PIN method")
    return pan
