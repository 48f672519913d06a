"""M0 M2 M4 HE HG: data encrypted and decrypted."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import TDESPurpose
from keyferry.crypto.feedback import FeedbackMode, decrypt_feedback, encrypt_feedback
from keyferry.hsm.payshield.commands.data_encryption import WITH_IV
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SECOND_KEY, Call, Result, handles
from keyferry.hsm.payshield.simulator.dukpt_keys import transaction_key
from keyferry.hsm.payshield.simulator.key_roles import (
    ANY_BDK,
    DATA,
    DECRYPT,
    ENCRYPT,
    TAK,
    cipher_key,
    ready,
)
from keyferry.hsm.payshield.simulator.message_data import message_bytes, output_bytes
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

LENGTH: Final = "06"
MODE: Final = "02"
ECB, CBC = "00", "01"
_FEEDBACK: Final = {"02": FeedbackMode.CFB8, "03": FeedbackMode.CFB, "05": FeedbackMode.OFB}


def _key(call: Call, prefix: str, modes: str, parity_code: str = FIRST_KEY) -> CipherKey:
    key_type = call.values.text(f"{prefix}key_type").upper()
    if call.values.maybe(f"{prefix}ksn", str) is not None:
        return transaction_key(
            call,
            f"{prefix}key",
            ANY_BDK,
            TDESPurpose.DATA_REQUEST,
            ksn=f"{prefix}ksn",
            descriptor=f"{prefix}descriptor",
            key_type=key_type,
            parity_code=parity_code,
        )
    return ready(
        call,
        f"{prefix}key",
        DATA.for_(modes),
        cipher_key,
        CipherKey,
        key_type=key_type,
        parity_code=parity_code,
    )


def _crypt(key: CipherKey, mode: str, data: bytes, iv: bytes, *, encrypts: bool) -> bytes:
    if mode not in _FEEDBACK:
        if len(data) % key.block_size:
            raise CommandRefusedError(LENGTH)
        if mode == ECB:
            return key.encrypt_ecb(data) if encrypts else key.decrypt_ecb(data)
        return key.encrypt_cbc(data, iv) if encrypts else key.decrypt_cbc(data, iv)
    feedback = _FEEDBACK[mode]
    # CFB of 64 bits is not a mode of a cipher with longer blocks.
    if feedback is FeedbackMode.CFB and key.cipher is Cipher.AES:
        raise CommandRefusedError(MODE)
    crypt = encrypt_feedback if encrypts else decrypt_feedback
    return crypt(key, feedback, data, iv)


def _next_iv(mode: str, iv: bytes, clear: bytes, cryptogram: bytes) -> str:
    """Return the vector with which a longer message goes on."""
    fed_back = cryptogram
    if mode == "05":
        fed_back = bytes(a ^ b for a, b in zip(clear, cryptogram, strict=True))
    return (iv + fed_back)[-len(iv) :].hex().upper()


def _iv(call: Call, name: str) -> bytes:
    return bytes.fromhex(call.values.maybe(name, str) or "")


@handles("M0", "M2")
def crypt_data(call: Call) -> Result:
    """Encrypt or decrypt a message."""
    encrypts = call.command.code == "M0"
    key = _key(call, "", ENCRYPT if encrypts else DECRYPT)
    mode, iv = call.values.text("mode"), _iv(call, "iv")
    data = message_bytes(call.values)
    out = _crypt(key, mode, data, iv, encrypts=encrypts)
    answer: dict[str, object] = {"output": output_bytes(call.values, out)}
    if mode in WITH_IV:
        clear, cryptogram = (data, out) if encrypts else (out, data)
        answer["next_iv"] = _next_iv(mode, iv, clear, cryptogram)
    return answer


@handles("M4")
def translate_data(call: Call) -> Result:
    """Decrypt under one key and encrypt under another; the clear data stays inside."""
    values = call.values
    source = _key(call, "source_", DECRYPT)
    destination = _key(call, "destination_", ENCRYPT, SECOND_KEY)
    mode, iv = values.text("destination_mode"), _iv(call, "destination_iv")
    clear = _crypt(
        source,
        values.text("source_mode"),
        message_bytes(values),
        _iv(call, "source_iv"),
        encrypts=False,
    )
    out = _crypt(destination, mode, clear, iv, encrypts=True)
    answer: dict[str, object] = {"output": output_bytes(values, out)}
    if mode in WITH_IV:
        answer["next_iv"] = _next_iv(mode, iv, clear, out)
    return answer


@handles("HE", "HG")
def crypt_block(call: Call) -> Result:
    """Encrypt or decrypt one block under a TAK."""
    encrypts = call.command.code == "HE"
    key = ready(call, "tak", TAK.for_(ENCRYPT if encrypts else DECRYPT), cipher_key, CipherKey)
    if key.cipher is Cipher.AES:
        raise CommandRefusedError("A7")
    block = bytes.fromhex(call.values.text("block"))
    out = key.encrypt_ecb(block) if encrypts else key.decrypt_ecb(block)
    return {"new_block": out.hex().upper()}
