"""Payment algorithms: ours, the bare cipher calls they cannot do without, and psec."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psec
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as LibraryCipher
from cryptography.hazmat.primitives.ciphers import CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.utils import CryptographyDeprecationWarning

from benchmarks import goals
from benchmarks.interleaved import Measured, measure
from keyferry.crypto.card_verification import cvv
from keyferry.crypto.ciphers import Cipher, CipherKey, expand_tdes_key
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.emv import (
    common_diversifier,
    derive_common_session_key,
    derive_icc_master_key,
    generate_arqc,
    verify_arqc,
)
from keyferry.crypto.mac import HMACKey, cbc_mac, cmac, retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import (
    PINBlockFormat,
    decrypt_pin_block,
    encrypt_pin_block,
    translate_pin_block,
)
from keyferry.crypto.pin_verification import ibm3624_offset, ibm3624_pin_from_offset, visa_pvv
from keyferry.crypto.tdes_key import TDESKey

Call = Callable[[], object]

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
OTHER_KEY = bytes.fromhex("FEDCBA98765432100123456789ABCDEF")
PAN = "5432101234567890"
PIN = "1234"
TABLE = "1234567890123456"
DATA = "1122334455667788"
ROUNDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One algorithm and its contestants; `psec` is absent where psec has no such thing.

    Goals: so many times as fast as psec, at most so many times as long as the bare calls.
    """

    name: str
    ours: Call
    bare: Call
    psec: Call | None = None
    psec_goal: float | None = None
    bare_goal: float | None = None


def _tdes(key: bytes, mode: modes.ECB | modes.CBC) -> CipherContext:
    return LibraryCipher(TripleDES(expand_tdes_key(key)), mode).encryptor()


def _pin_rows() -> Iterator[Row]:
    key, other = TDESKey(KEY), TDESKey(OTHER_KEY)
    aes = CipherKey(Cipher.AES, KEY)
    encrypt = _tdes(KEY, modes.ECB()).update
    decrypt = LibraryCipher(TripleDES(expand_tdes_key(KEY)), modes.ECB()).decryptor().update
    aes_encrypt = LibraryCipher(AES(KEY), modes.ECB()).encryptor().update
    aes_decrypt = LibraryCipher(AES(KEY), modes.ECB()).decryptor().update
    eight, sixteen = bytes(8), bytes(16)
    blocks = {
        pin_format: encrypt_pin_block(
            aes if pin_format is PINBlockFormat.ISO_4 else key, pin_format, PIN, PAN
        )
        for pin_format in (PINBlockFormat.ISO_0, PINBlockFormat.ISO_3, PINBlockFormat.ISO_4)
    }
    iso_0, iso_3, iso_4 = blocks.values()
    yield Row(
        name="PIN block 0, encrypt",
        ours=lambda: encrypt_pin_block(key, PINBlockFormat.ISO_0, PIN, PAN),
        bare=lambda: encrypt(eight),
        psec=lambda: psec.des.encrypt_tdes_ecb(KEY, psec.pinblock.encode_pinblock_iso_0(PIN, PAN)),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 0, decrypt",
        ours=lambda: decrypt_pin_block(key, PINBlockFormat.ISO_0, iso_0, PAN),
        bare=lambda: decrypt(eight),
        psec=lambda: psec.pinblock.decode_pinblock_iso_0(
            psec.des.decrypt_tdes_ecb(KEY, iso_0), PAN
        ),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 3, encrypt",
        ours=lambda: encrypt_pin_block(key, PINBlockFormat.ISO_3, PIN, PAN),
        bare=lambda: encrypt(eight),
        psec=lambda: psec.des.encrypt_tdes_ecb(KEY, psec.pinblock.encode_pinblock_iso_3(PIN, PAN)),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 3, decrypt",
        ours=lambda: decrypt_pin_block(key, PINBlockFormat.ISO_3, iso_3, PAN),
        bare=lambda: decrypt(eight),
        psec=lambda: psec.pinblock.decode_pinblock_iso_3(
            psec.des.decrypt_tdes_ecb(KEY, iso_3), PAN
        ),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 4, encrypt",
        ours=lambda: encrypt_pin_block(aes, PINBlockFormat.ISO_4, PIN, PAN),
        bare=lambda: (aes_encrypt(sixteen), aes_encrypt(sixteen)),
        psec=lambda: psec.pinblock.encipher_pinblock_iso_4(KEY, PIN, PAN),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 4, decrypt",
        ours=lambda: decrypt_pin_block(aes, PINBlockFormat.ISO_4, iso_4, PAN),
        bare=lambda: (aes_decrypt(sixteen), aes_decrypt(sixteen)),
        psec=lambda: psec.pinblock.decipher_pinblock_iso_4(KEY, iso_4, PAN),
        psec_goal=5,
    )
    yield Row(
        name="PIN block 0, translate",
        ours=lambda: translate_pin_block(
            iso_0,
            incoming_key=key,
            incoming_format=PINBlockFormat.ISO_0,
            incoming_pan=PAN,
            outgoing_key=other,
            outgoing_format=PINBlockFormat.ISO_0,
            outgoing_pan=PAN,
        ),
        bare=lambda: (decrypt(eight), encrypt(eight)),
        psec=lambda: psec.des.encrypt_tdes_ecb(
            OTHER_KEY,
            psec.pinblock.encode_pinblock_iso_0(
                psec.pinblock.decode_pinblock_iso_0(psec.des.decrypt_tdes_ecb(KEY, iso_0), PAN),
                PAN,
            ),
        ),
        psec_goal=5,
    )
    yield Row(
        name="Visa PVV",
        ours=lambda: visa_pvv(key, pan=PAN, pvki="1", pin=PIN),
        bare=lambda: encrypt(eight),
        psec=lambda: psec.pin.generate_visa_pvv(KEY, "1", PIN, PAN),
        psec_goal=5,
    )
    yield Row(
        name="IBM 3624 PIN from offset",
        ours=lambda: ibm3624_pin_from_offset(
            key, decimalization_table=TABLE, validation_data=DATA, offset="0000"
        ),
        bare=lambda: encrypt(eight),
        psec=lambda: psec.pin.generate_ibm3624_pin(KEY, TABLE, "0000", DATA, 0, 16, "F"),
        psec_goal=5,
    )
    yield Row(
        name="IBM 3624 offset",
        ours=lambda: ibm3624_offset(key, decimalization_table=TABLE, validation_data=DATA, pin=PIN),
        bare=lambda: encrypt(eight),
        psec=lambda: psec.pin.generate_ibm3624_offset(KEY, TABLE, PIN, DATA, 0, 16, "F"),
        psec_goal=5,
    )


def _card_rows() -> Iterator[Row]:
    key = TDESKey(KEY)
    encrypt, encrypt_first = _tdes(KEY, modes.ECB()).update, _tdes(KEY[:8], modes.ECB()).update
    eight = bytes(8)
    yield Row(
        name="CVV",
        ours=lambda: cvv(key, pan=PAN, expiry="2512", service_code="101"),
        bare=lambda: (encrypt_first(eight), encrypt(eight)),
        psec=lambda: psec.cvv.generate_cvv(KEY, PAN, "2512", "101"),
        psec_goal=5,
    )
    data, atc = bytes(40), b"\0\x0b"

    def derive() -> TDESKey:
        card = derive_icc_master_key(key, pan=PAN)
        return TDESKey(derive_common_session_key(card, common_diversifier(atc)))

    arqc = generate_arqc(derive(), data)

    def fresh() -> object:
        encrypt(bytes(16))
        _tdes(KEY, modes.ECB()).update(bytes(16))
        _tdes(KEY[:8], modes.CBC(eight)).update(bytes(32))
        return _tdes(KEY, modes.ECB()).update(eight)

    yield Row(
        name="ARQC, from issuer key to verdict",
        ours=lambda: verify_arqc(derive(), arqc, data),
        bare=fresh,
    )


def _mac_rows(size: int) -> Iterator[Row]:
    key, aes, data = TDESKey(KEY), CipherKey(Cipher.AES, KEY), bytes(size)
    chain = _tdes(KEY, modes.CBC(bytes(8))).update
    encrypt, chain_first = (
        _tdes(KEY, modes.ECB()).update,
        _tdes(KEY[:8], modes.CBC(bytes(8))).update,
    )
    eight, kept = bytes(8), CMAC(AES(KEY))

    def bare_cmac() -> bytes:
        mac = kept.copy()
        mac.update(data)
        return mac.finalize()

    yield Row(
        name=f"ISO 9797-1 algorithm 1, {size} bytes",
        ours=lambda: cbc_mac(key, data),
        bare=lambda: chain(data),
        psec=lambda: psec.mac.generate_cbc_mac(KEY, data, 1),
        psec_goal=5 if size < 1024 else None,
        bare_goal=None if size < 1024 else 2,
    )
    yield Row(
        name=f"ISO 9797-1 algorithm 3, {size} bytes",
        ours=lambda: retail_mac(key, data, padding=Padding.METHOD_1),
        bare=lambda: (chain_first(data[:-8]), encrypt(eight)),
        psec=lambda: psec.mac.generate_retail_mac(KEY[:8], KEY[8:], data, 1),
        psec_goal=3 if size < 1024 else None,
        bare_goal=None if size < 1024 else 2,
    )
    long_goal = 2 if size >= 1024 else None
    yield Row(
        name=f"CMAC AES, {size} bytes",
        ours=lambda: cmac(aes, data),
        bare=bare_cmac,
        bare_goal=long_goal,
    )
    hmac_key = HMACKey(KEY * 2, "SHA256")
    yield Row(
        name=f"HMAC SHA-256, {size} bytes",
        ours=lambda: hmac_key.mac(data),
        bare=lambda: hmac.digest(KEY * 2, data, "sha256"),
        bare_goal=long_goal,
    )


def _data_rows() -> Iterator[Row]:
    tdes, aes, data = TDESKey(KEY), CipherKey(Cipher.AES, KEY), bytes(1024)
    chain = _tdes(KEY, modes.CBC(bytes(8))).update
    aes_chain = LibraryCipher(AES(KEY), modes.CBC(bytes(16))).encryptor().update
    yield Row(
        name="TDES CBC, 1024 bytes",
        ours=lambda: tdes.encrypt_cbc(data, bytes(8)),
        bare=lambda: chain(data),
        psec=lambda: psec.des.encrypt_tdes_cbc(KEY, bytes(8), data),
        bare_goal=2,
    )
    yield Row(
        name="AES CBC, 1024 bytes",
        ours=lambda: aes.encrypt_cbc(data, bytes(16)),
        bare=lambda: aes_chain(data),
        psec=lambda: psec.aes.encrypt_aes_cbc(KEY, bytes(16), data),
        bare_goal=2,
    )


def _dukpt_rows() -> Iterator[Row]:
    tdes, aes = TDESBDK(KEY), AESBDK(KEY)
    ksn, aes_ksn = bytes.fromhex("FFFF9876543210E00155"), bytes.fromhex("123456789012345600000155")
    # Counter 0x155 has five ones: two fresh single DES keys each, or one fresh AES key.
    encrypt = _tdes(KEY, modes.ECB()).update

    def bare_tdes() -> None:
        encrypt(bytes(8))
        encrypt(bytes(8))
        for _ in range(10):
            _tdes(KEY[:8], modes.ECB()).update(bytes(8))

    aes_encrypt = LibraryCipher(AES(KEY), modes.ECB()).encryptor().update

    def bare_aes() -> None:
        aes_encrypt(bytes(16))
        for _ in range(6):
            LibraryCipher(AES(KEY), modes.ECB()).encryptor().update(bytes(16))

    yield Row(
        name="DUKPT TDES PIN key, 5 ones",
        ours=lambda: tdes.working_key(ksn, TDESPurpose.PIN),
        bare=bare_tdes,
    )
    yield Row(
        name="DUKPT AES PIN key, 5 ones",
        ours=lambda: aes.working_key(aes_ksn, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_128),
        bare=bare_aes,
    )


def rows() -> Iterator[Row]:
    """Every row, in the order of the table."""
    yield from _pin_rows()
    yield from _card_rows()
    for size in (8, 16, 64, 1024):
        yield from _mac_rows(size)
    yield from _data_rows()
    yield from _dukpt_rows()


def run() -> str:
    """Measure every row; return the table."""
    # psec 1.3.0 uses what cryptography deprecates; the time it takes to warn is not psec's.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    lines = [
        f"## Payment algorithms: keyferry, bare calls, psec {psec.__version__}",
        "",
        "Bare is the cipher work alone, on kept contexts: nothing is checked, padded or formatted."
        " psec has no opened keys.",
        "",
        "| algorithm | keyferry µs | bare µs | keyferry/bare | psec µs | psec/keyferry | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows():
        functions = {"keyferry": row.ours, "bare": row.bare}
        if row.psec is not None:
            functions["psec"] = row.psec
        for function in functions.values():
            function()  # what happens once, such as an import, must not set the number of calls
        measured = measure(functions, ROUNDS)
        theirs, ratio = "", ""
        if row.psec is not None:
            theirs = f"{measured.microseconds('psec'):.2f}"
            ratio = f"{measured.ratio('psec', 'keyferry'):.1f}"
        lines.append(
            f"| {row.name} | {measured.microseconds('keyferry'):.2f} |"
            f" {measured.microseconds('bare'):.2f} | {measured.ratio('keyferry', 'bare'):.1f} |"
            f" {theirs} | {ratio} | {_verdict(row, measured)} |"
        )
    return "\n".join(lines)


def _verdict(row: Row, measured: Measured) -> str:
    """Hold a row against its goal; a miss says what the run itself shows about the reason."""
    over_bare = measured.microseconds("keyferry") - measured.microseconds("bare")
    if row.psec_goal is not None:
        reachable = measured.ratio("psec", "bare")
        reason = (
            f"the bare calls alone are {reachable:.1f} × as fast as psec"
            if reachable < 1.5 * row.psec_goal
            else f"{over_bare:.2f} µs of checks and formats beside the bare calls"
        )
        verdict = goals.check(
            f"{row.name}, against psec",
            measured.ratio("psec", "keyferry"),
            at_least=row.psec_goal,
            reason=reason,
        )
        return f"{row.psec_goal:g} × psec: {verdict}"
    if row.bare_goal is not None:
        verdict = goals.check(
            f"{row.name}, against bare calls",
            measured.ratio("keyferry", "bare"),
            at_most=row.bare_goal,
            reason=f"{over_bare:.2f} µs beside the bare calls, whatever the length",
        )
        return f"{row.bare_goal:g} × bare: {verdict}"
    return ""
