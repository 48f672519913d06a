"""RSA, ECC, TR-34 and RSA import in the simulator, checked from outside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.tr34 import assemble_token, issuer_and_serial, open_token
from keyferry.hsm.fields import element_size
from keyferry.hsm.payshield.rsa_public import read_public_key
from keyferry.hsm.payshield.simulator import Device, Settings

Ask = Callable[..., bytes]

NONCE = bytes.fromhex("2523260D1921303B")  # made of delimiters


def key_pair(answer: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut an EJ answer into public key, length field and private key, as a client does."""
    assert answer[:4] == b"EJ00", answer[:4]
    size = element_size(answer[4:])
    assert size is not None
    return answer[4 : 4 + size], answer[4 + size : 8 + size], answer[8 + size :]


@pytest.fixture(scope="module")
def block_pair() -> dict[str, Any]:
    """A device with an RSA key pair for both purposes under its key block LMK."""
    device = Device()
    answer = run(device, b"EI2204802#0000&N")
    public, length, private = key_pair(answer)
    return {"device": device, "public": public, "length": length, "private": private}


def run(device: Device, body: bytes) -> bytes:
    """Ask a device outside any fixture."""
    import asyncio
    import inspect

    async def wait() -> bytes:
        answer = device.answer(b"0000" + body)
        return answer if isinstance(answer, bytes) else await answer

    assert inspect.iscoroutinefunction(wait)
    return asyncio.run(wait())[4:]


@pytest.mark.parametrize(
    ("request_", "public_bytes", "head"),
    [
        (b"EI1204801%02", 269, "3082010902820100"),
        (b"EI1204802%02", 270, "3082010A0282010100"),
    ],
)
def test_encodings_of_public_keys(
    ask: Ask, device: Device, request_: bytes, public_bytes: int, head: str
) -> None:
    """RSA-2048 has 269 bytes unsigned and 270 in DER, and 656 private bytes, as captured."""
    public, length, private = key_pair(ask(device, request_))
    assert len(public) == public_bytes
    assert public.hex().upper().startswith(head)
    assert public.endswith(bytes.fromhex("0203010001"))
    assert (length, len(private)) == (b"0656", 656)
    assert read_public_key(public)[0].bit_length() == 2048


def test_private_key_block(block_pair: dict[str, Any]) -> None:
    """Under an AES LMK the private key is a binary block of the captured length."""
    private = block_pair["private"]
    assert block_pair["length"] == b"FFFF"
    assert private[:17] == b"S1070403RN00N0000"
    assert len(private) == 1 + 704
    assert not private.isascii()
    assert isinstance(load_der_public_key(block_pair["public"]), rsa.RSAPublicKey)


@pytest.mark.parametrize(("use", "mode"), [("0", "S"), ("1", "D")])
def test_use_of_a_key_pair(ask: Ask, device: Device, use: str, mode: str) -> None:
    """The mode of use says what the pair is for, and EW obeys it."""
    _, _, private = key_pair(ask(device, f"EI{use}204802#0000&N"))
    assert private[9:10] == mode.encode()
    answer = ask(device, b"EW0601010003abc;99FFFF" + private)
    assert answer[:4] == (b"EX00" if use == "0" else b"EXA8")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("EI0204802", "15"),  # a key block LMK needs the header
        ("EI3204802#0000", "05"),
        ("EI0051202#0000", "04"),
        ("EI0031902#0000", "04"),
        ("EI0204803#0000", "03"),
        ("EI0204802%02#0000", "15"),
        ("EI0409602%02", "48"),
        ("EI02048020018\x00\x01\x00#0000", "06"),
        ("EI02048020017\x01\x00\x00#0000", "08"),
        ("EI02048020003\x05#0000", "43"),
        ("EI02048020000#0000", "06"),
        ("EI0204802#0000&Q", "AA"),
    ],
)
def test_refused_key_pairs(ask: Ask, device: Device, request_: str, code: str) -> None:
    """Each mistake has its own code; nothing is generated."""
    assert ask(device, request_) == f"EJ{code}".encode()


@pytest.mark.parametrize("hash_code", ["01", "02", "05", "06", "07", "08"])
@pytest.mark.parametrize("padding_code", ["01", "04"])
def test_sign_and_verify(
    ask: Ask, block_pair: dict[str, Any], hash_code: str, padding_code: str
) -> None:
    """What EW signs, EY verifies with the public key the device vouches for, and nothing else."""
    device, private = block_pair["device"], block_pair["private"]
    head = f"{hash_code}01{padding_code}".encode()
    data = b"data;%19\x19"
    signed = ask(device, b"EW" + head + b"0009" + data + b";99FFFF" + private)
    assert signed[:8] == b"EX000256"
    signature = signed[8:]
    public = ask(device, b"EO02" + block_pair["public"] + b"~#N00N00")[4:]
    question = head + b"0256" + signature + b";0009" + data + b";" + public
    assert ask(device, b"EY" + question) == b"EZ00"
    wrong = question.replace(b"data", b"DATA")
    assert ask(device, b"EY" + wrong) == b"EZ02"


def test_signature_verifies_outside(ask: Ask, block_pair: dict[str, Any]) -> None:
    """PKCS#1 v1.5 with SHA-256 is what another library verifies."""
    answer = ask(block_pair["device"], b"EW0601010003abc;99FFFF" + block_pair["private"])
    key = load_der_public_key(block_pair["public"])
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(answer[8:], b"abc", padding.PKCS1v15(), hashes.SHA256())
    info = bytes.fromhex("3031300D060960864801650304020105000420") + hashlib.sha256(b"abc").digest()
    whole = ask(
        block_pair["device"],
        b"EW040101" + f"{len(info):04d}".encode() + info + b";99FFFF" + block_pair["private"],
    )
    assert whole == answer
    bad = ask(block_pair["device"], b"EW0401010003abc;99FFFF" + block_pair["private"])
    assert bad == b"EX74"


def test_public_key_mac(ask: Ask, device: Device, block_pair: dict[str, Any]) -> None:
    """Under a variant LMK a MAC vouches for key and authentication data; 01 when it does not."""
    public = block_pair["public"]
    answer = ask(device, b"EO02" + public + b"\xde\xad\xbe\xef%02")
    assert answer[:4] == b"EP00"
    assert answer[8:] == public
    _, length, private = key_pair(ask(device, b"EI2204802%02"))
    signed = ask(device, b"EW0601010003abc;99" + length + private + b"%02")[8:]
    question = b"EY0601010256" + signed + b";0003abc;" + answer[4:]
    # Another key's signature: the MAC holds, the signature does not.
    assert ask(device, question + b"\xde\xad\xbe\xef%02") == b"EZ02"
    assert ask(device, question + b"\xde\xad\xbe\xee%02") == b"EZ01"
    assert ask(device, question + b"%02") == b"EZ01"
    assert ask(device, question) == b"EZA1"


def test_stored_private_keys(ask: Ask, block_pair: dict[str, Any]) -> None:
    """EK loads under an index, LA into user storage; either can be named instead of the key."""
    device, private = block_pair["device"], block_pair["private"]
    expected = ask(device, b"EW0601010003abc;99FFFF" + private)
    assert ask(device, b"EK07FFFF" + private) == b"EL00"
    assert ask(device, b"EW0601010003abc;07") == expected
    assert ask(device, b"EW0601010003abc;08") == b"EX21"
    assert ask(device, b"EK21FFFF" + private) == b"EL21"
    assert ask(device, b"EK07FFFF" + private[:-1] + b"x") == b"ELA4"
    _, length, variant = key_pair(ask(device, b"EI0204802%02"))
    assert ask(device, b"LAK001" + length + variant) == b"LB00"
    assert ask(device, b"EW0601010003abc;990004K001%02")[:4] == b"EX00"
    assert ask(device, b"EW0601010003abc;990004K002%02") == b"EX12"


def test_private_key_of_the_old_lmk(ask: Ask, migrating: Device) -> None:
    """EM brings a private key from the variant LMK to the key block LMK; it signs the same."""
    public, length, private = key_pair(ask(migrating, b"EI0204802%02"))
    before = ask(migrating, b"EW0601010003abc;99" + length + private + b"%02")
    answer = ask(migrating, b"EM" + length + private + b"#0000&N")
    assert answer[:9] == b"EN00FFFFS"
    assert ask(migrating, b"EW0601010003abc;99" + answer[4:]) == before
    altered = private[:100] + bytes((private[100] ^ 1,)) + private[101:]
    assert ask(migrating, b"EM" + length + altered + b"#0000&N") == b"EN49"
    assert ask(migrating, b"EM0655" + private[:-1] + b"#0000&N") == b"EN78"
    del public


# --- TR-34 --------------------------------------------------------------------------------------


def tr34_request(
    authority: Any, device: Device, ask: Ask, *, variant: bool, algorithm: str = "T3"
) -> tuple[bytes, x509.Certificate, str]:
    """Return a B8 request, the KDH certificate and the check value of the key that travels."""
    suffix = b"%02" if variant else b"#0000&N"
    public, length, private = key_pair(ask(device, b"EI0204802" + suffix))
    kdh_key = load_der_public_key(public)
    kdh = authority.leaf(kdh_key, "kdh", CertificateUsage.DIGITAL_SIGNATURE)
    request = "A00000U%02" if variant else f"A00FFFS#K1{algorithm}N00E00"
    answer = ask(device, request)
    key, kcv = answer[4:-6], answer[-6:].decode()
    krd_key = authority.krd_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    body = (
        (b"B80000" if variant else b"B80FFF")
        + key
        + issuer_and_serial(kdh)
        + b"000001"
        + issuer_and_serial(authority.krd)
        + krd_key
        + b"0099"
        + length
        + private
        + b"01008"
        + NONCE
        + (b"%02&K1B00S00!B" if variant else b"!B")
    )
    return body, kdh, kcv


@pytest.mark.parametrize(
    ("variant", "algorithm", "header"),
    [
        (False, "T3", "B9999K1TN00E0000"),
        (False, "A1", "B9999K1AN00E0000"),
        (True, "T2", "B9999K1TB00S0000"),
    ],
)
def test_tr34(
    ask: Ask, device: Device, authority: Any, variant: bool, algorithm: str, header: str
) -> None:
    """The parts of B9 make a token that a KRD opens; all three check values are equal."""
    body, kdh, kcv = tr34_request(authority, device, ask, variant=variant, algorithm=algorithm)
    answer = ask(device, body)
    assert answer[:4] == b"B900"
    size = element_size(answer[4:])
    assert size is not None
    attributes, rest = answer[4 : 4 + size], answer[4 + size :]
    binary_kcv, rest = rest[:3], rest[3:]
    size = element_size(rest)
    assert size is not None
    envelope, rest = rest[:size], rest[size:]
    assert (attributes[:1], envelope[:2], rest[:4], len(rest)) == (
        b"\x31",
        b"\x30\x82",
        b"0256",
        260,
    )
    token = assemble_token(
        econtent=envelope[4:],
        attributes_set=attributes,
        kdh_id=issuer_and_serial(kdh),
        signature=rest[4:],
    )
    opened = open_token(
        token,
        kdh_certificate=kdh,
        krd_certificate=authority.krd,
        krd_private_key=authority.krd_key,
        nonce=NONCE,
        kdh_ca=authority.root,
        now=device.now(),
    )
    assert opened.header == header
    kcv_of = cmac_kcv(Cipher.AES, opened.key) if algorithm == "A1" else tdes_kcv(opened.key)
    assert kcv_of == binary_kcv == bytes.fromhex(kcv)


def test_tr34_refusals(ask: Ask, device: Device, authority: Any) -> None:
    """The unexplained constants are demanded; weak and wrong keys have their codes."""
    body, _, _ = tr34_request(authority, device, ask, variant=False)
    for constant, other in ((b"000001", b"000002"), (b"0099", b"0199"), (b"01008", b"01108")):
        assert ask(device, body.replace(constant, other, 1)) == b"B915"
    assert ask(device, body + b"?") == b"B915"
    assert ask(device, body.replace(b"!B", b"&K1B00S00!B")) == b"B915"
    assert ask(device, body.replace(b"B80", b"B81", 1)) == b"B915"
    signer = body.index(b"03RS00N0000")
    assert ask(device, body[: signer + 20] + b"\x00" + body[signer + 21 :]) == b"B9A4"
    strong, _, _ = tr34_request(authority, device, ask, variant=False, algorithm="A3")
    assert ask(device, strong) == b"B9A5"
    unauthorised = Device(unauthorised=frozenset({"export.K1.host"}))
    body, _, _ = tr34_request(authority, unauthorised, ask, variant=False)
    assert ask(unauthorised, body) == b"B917"


# --- ECDH ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "curve", "characters"),
    [("00", ec.SECP256R1(), 91), ("01", ec.SECP384R1(), 120), ("02", ec.SECP521R1(), 158)],
)
@pytest.mark.parametrize(
    ("kdf_code", "kdf"),
    [("1", KeyDerivationFunction.NIST_SP800), ("2", KeyDerivationFunction.ANSI_X963)],
)
def test_ecdh(
    ask: Ask,
    device: Device,
    code: str,
    curve: ec.EllipticCurve,
    characters: int,
    kdf_code: str,
    kdf: KeyDerivationFunction,
) -> None:
    """Both sides derive the same key: a block made under it here opens there."""
    answer = ask(device, f"FY01{code}03%00#X00S00")
    assert answer[:8] == f"FZ00{characters:04d}".encode()
    public, private = answer[8 : 8 + characters], answer[8 + characters :].decode("ascii")
    assert private[0] == "S"
    assert private[6:17] == "03EX00S0000"
    ours = ec.generate_private_key(curve)
    spki = ours.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    agreed = ask(
        device,
        b"IG2103" + spki + f"{private}{kdf_code}06100100123456789;0100256K1A3B00E00;:".encode(),
    )
    assert agreed[:4] == b"IH00"
    theirs = load_der_public_key(public)
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    derived = derive_key(
        agree(ours, theirs),
        kdf=kdf,
        hash_name="SHA256",
        shared_info=bytes.fromhex("0123456789"),
        size=32,
    )
    assert agreed[-3:] == cmac_kcv(Cipher.AES, derived)
    kek = agreed[4:-3].decode("ascii")
    key = ask(device, "A00FFFS#B0T3N00E00").decode()
    block = ask(device, f"A8FFF{kek}{key[4:-6]}R%00!D").decode()
    unwrapped = KBPK(Cipher.AES, derived).unwrap(block[5:-6])
    assert tdes_kcv(unwrapped.key).hex().upper() == key[-6:]


def test_ecdh_refusals(ask: Ask, device: Device) -> None:
    """Wrong curve, wrong key, odd shared info, wrong length, missing authorisation."""
    private = ask(device, "FY010003#X00S00")[8 + 91 :].decode("ascii")
    signer = ask(device, "FY010003#S00S00")[8 + 91 :].decode("ascii")
    ours = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = ours.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    wrong = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    tail = "106100040123;0100256K1A3B00E00;:"
    assert ask(device, b"IG2103" + wrong + (private + tail).encode()) == b"IHD2"
    assert ask(device, b"IG2103" + spki + (signer + tail).encode()) == b"IHA8"
    off = bytearray(spki)
    off[-1] ^= 1
    assert ask(device, b"IG2103" + bytes(off) + (private + tail).encode()) == b"IHD3"
    for bad, code in (
        (tail.replace("00040123", "0003012"), "15"),
        (tail.replace("00256", "00128"), "A5"),
        (tail.replace("K1", "C0"), "A8"),
        (tail.replace(";:", ";"), "15"),
        ("305" + tail[2:], "15"),
    ):
        assert ask(device, b"IG2103" + spki + (private + bad).encode()) == f"IH{code}".encode()
    device = Device(unauthorised=frozenset({"eckai.K1.host"}))
    private = ask(device, "FY010003#X00S00")[8 + 91 :].decode("ascii")
    assert ask(device, b"IG2103" + spki + (private + tail).encode()) == b"IH17"
    assert ask(device, "FY010003%02#X00S00") == b"FZA1"
    for request, code in (
        ("FY020003#X00S00", "E0"),
        ("FY010503#X00S00", "D2"),
        ("FY010001#X00S00", "D3"),
        ("FY010003#D00S00", "A8"),
        ("FY010003", "15"),
    ):
        assert ask(device, request) == f"FZ{code}".encode()


# --- certificate requests, RSA import -----------------------------------------------------------


def test_certificate_requests(ask: Ask, device: Device, block_pair: dict[str, Any]) -> None:
    """QE makes a request that verifies, for RSA under either LMK and for ECC."""
    subject = b"Public Cert;Payshield Certificate;AWS Sample Org;Arlington;VA;US;"
    public, length, variant = key_pair(ask(device, b"EI2204802%02"))
    del length
    answer = ask(device, b"EY0601")  # anything: QE has no LMK field, the default decides
    assert answer == b"EZ15"
    default_variant = Device(settings=Settings(default_lmk="02"))
    for asked, pair in (
        (block_pair["device"], block_pair["public"] + block_pair["private"]),
        (default_variant, public + variant),
    ):
        answer = ask(asked, b"QE000102" + pair + b"01061" + subject)
        assert answer[:4] == b"QF00"
        assert int(answer[4:8]) == len(answer) - 8
        request = x509.load_pem_x509_csr(answer[8:])
        assert request.is_signature_valid
        assert request.subject.rfc4514_string().startswith("C=US,ST=VA,L=Arlington")
    ecc = ask(device, "FY010003#S00S00")
    answer = ask(device, b"QE000203" + ecc[8:] + b"061" + subject)
    assert x509.load_pem_x509_csr(answer[8:]).is_signature_valid
    mismatched = public + block_pair["private"]
    assert ask(block_pair["device"], b"QE000102" + mismatched + b"01061" + subject) == b"QF49"


def test_import_under_rsa(ask: Ask, block_pair: dict[str, Any]) -> None:
    """GI opens PKCS#1 v1.5 and OAEP; what does not decrypt to a key is 77."""
    device, private = block_pair["device"], block_pair["private"]
    public = load_der_public_key(block_pair["public"])
    assert isinstance(public, rsa.RSAPublicKey)
    clear = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    kcv = cmac_kcv(Cipher.AES, clear).hex().upper().encode()
    tail = b";99FFFF" + private + b";1S1=03#K0N00S00"
    pkcs1 = public.encrypt(clear, padding.PKCS1v15())
    answer = ask(device, b"GI0101FFFF0256" + pkcs1 + tail)
    assert answer[:4] == b"GJ00"
    assert answer[4:21] == b"S10096K0AN00S0000"
    assert answer[-6:] == kcv
    oaep = public.encrypt(clear, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    assert ask(device, b"GI0102010600;FFFF0256" + oaep + tail)[-6:] == kcv
    assert ask(device, b"GI0102010500;FFFF0256" + oaep + tail) == b"GJ77"
    for request, code in (
        (b"GI0101FFFF0255" + pkcs1[1:] + tail, b"76"),
        (b"GI0101FFFF0256" + pkcs1 + tail.replace(b"=03", b"=01"), b"83"),
        (b"GI0101FFFF0256" + pkcs1 + tail.replace(b"=03", b"=07"), b"83"),
        (b"GI010101010256" + pkcs1 + tail, b"A1"),
        (b"GI0102020600;FFFF0256" + oaep + tail, b"85"),
        (b"GI0102010900;FFFF0256" + oaep + tail, b"86"),
        (b"GI0101FFFF0256" + pkcs1[:10], b"76"),
    ):
        assert ask(device, request) == b"GJ" + code
    assert ask(device, b"GI0102010600;FFFF0256" + bytes(256) + tail) == b"GJ77"
    # A wrong PKCS #1 v1.5 cryptogram decrypts to bytes of a random length, which depends on it and
    # on the key pair: one in 80 is as long as an AES key. Sixteen never all are.
    wrong = [bytes((0,)) * 255 + bytes((number,)) for number in range(16)]
    assert b"GJ77" in {ask(device, b"GI0101FFFF0256" + text + tail)[:4] for text in wrong}
