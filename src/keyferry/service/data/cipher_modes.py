"""Symmetric data encryption: modes, initialization vectors, and which go with which cipher."""

from __future__ import annotations

from collections.abc import Callable

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.feedback import FeedbackMode, decrypt_feedback, encrypt_feedback
from keyferry.service.data.refusals import refused

Transform = Callable[[bytes], bytes]

# The feedback modes by their API names, and the cipher a name belongs to if it is only one's.
_FEEDBACK: dict[str, tuple[FeedbackMode, Cipher | None]] = {
    "CFB": (FeedbackMode.CFB, None),
    "CFB1": (FeedbackMode.CFB1, None),
    "CFB8": (FeedbackMode.CFB8, None),
    "CFB64": (FeedbackMode.CFB, Cipher.TDES),
    "CFB128": (FeedbackMode.CFB, Cipher.AES),
    "OFB": (FeedbackMode.OFB, None),
}
# So slow on a few hundred bytes that other requests should not wait for it.
SLOW_MODE = "CFB1"


def block_transform(key: CipherKey, mode: str, iv: str | None, *, encrypts: bool) -> Transform:
    """
    Return what encrypts or decrypts in a mode.

    Args:
        key: the working key.
        mode: API name.
        iv: hex; None is zeros. ECB has none, and does not look at one (our choice).
        encrypts: or decrypts.

    Raises:
        InvalidRequestError: the mode is not the cipher's, or the IV is not one block.
    """
    if mode == "ECB":
        return key.encrypt_ecb if encrypts else key.decrypt_ecb
    size = key.block_size
    if iv is not None and len(iv) != 2 * size:
        raise refused(
            "InitializationVector", f"expected {2 * size} hex digits for {key.cipher.name}"
        )
    start = bytes(size) if iv is None else bytes.fromhex(iv)
    if mode == "CBC":
        cbc = key.encrypt_cbc if encrypts else key.decrypt_cbc
        return lambda data: cbc(data, start)
    feedback_mode, cipher = _FEEDBACK[mode]
    if cipher is not None and cipher is not key.cipher:
        raise refused("Mode", f"{mode} is not a mode of {key.cipher.name}")
    feedback = encrypt_feedback if encrypts else decrypt_feedback
    return lambda data: feedback(key, feedback_mode, data, start)
