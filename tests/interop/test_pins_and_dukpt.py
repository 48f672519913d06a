"""PIN blocks and DUKPT of the running service against psec and pycryptodome."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

ROUNDS = 20  # random inputs under each random key
SHORT = [pytest.param(seed, id=f"seed{seed}") for seed in range(4)]
LONG = [pytest.param(seed, id=f"seed{seed}", marks=pytest.mark.soak) for seed in range(4, 20)]
seeds = pytest.mark.parametrize("seed", SHORT + LONG)
TDES = ("TDES_2KEY", "TDES_3KEY")
CIPHERS = (*TDES, "AES_128", "AES_192", "AES_256")
# What may be derived from a BDK: nothing stronger than itself.
DERIVED = {
    "TDES_2KEY": ("TDES_2KEY",),
    "AES_128": CIPHERS[:3],
    "AES_192": CIPHERS[:4],
    "AES_256": CIPHERS,
}
FORMATS_OF = {True: (4,), False: (0, 1, 3)}  # by whether the cipher is AES
PEK, BDK = "TR31_P0_PIN_ENCRYPTION_KEY", "TR31_B0_BASE_DERIVATION_KEY"


class Side:
    """One side of a translation: a PIN encryption key, or a BDK and what is derived from it."""

    def __init__(self, second: Any, draw: Any, load_key: Any) -> None:
        self.second, self.draw = second, draw
        self.is_dukpt = draw.random() < 0.6
        self.algorithm = draw.choice([*DERIVED] if self.is_dukpt else CIPHERS)
        self.key = draw.key(self.algorithm)
        self.arn = load_key(self.key, usage=BDK if self.is_dukpt else PEK, algorithm=self.algorithm)

    def next(self) -> tuple[str, bytes, dict[str, str] | None]:
        """The working key of a new transaction: its algorithm, itself, how to ask for it."""
        if not self.is_dukpt:
            return self.algorithm, self.key, None
        ksn = self.draw.ksn(self.algorithm)
        asked = {"KeySerialNumber": ksn.hex().upper()}
        if self.algorithm == "TDES_2KEY":
            return self.algorithm, self.second.dukpt_tdes(self.key, ksn, "PIN"), asked
        kind = self.draw.choice(DERIVED[self.algorithm])
        # Left out, the type is the BDK's own.
        if kind != self.algorithm or self.draw.random() < 0.5:
            asked["DukptKeyDerivationType"] = kind
        working = self.second.dukpt_aes(self.algorithm, self.key, ksn, "PIN", kind)
        return kind, working, asked


def attributes(pin_format: int, pan: str) -> dict[str, Any]:
    return {f"IsoFormat{pin_format}": {} if pin_format == 1 else {"PrimaryAccountNumber": pan}}


def check_with_psec(second: Any, pin_format: int, algorithm: str, key: bytes, *what: Any) -> None:
    """What psec knows of a block: formats 0, 3 and 4, and no way to take a PIN from format 1."""
    block, pan, pin = what
    if pin_format == 4:
        assert second.psec.pinblock.decipher_pinblock_iso_4(key, block, pan) == pin
    elif pin_format in (0, 3):
        clear = second.psec.des.decrypt_tdes_ecb(key, block)
        decode = getattr(second.psec.pinblock, f"decode_pinblock_iso_{pin_format}")
        assert decode(clear, pan) == pin


@seeds
def test_pins_are_translated(
    seed: int, second: Any, draw: Any, load_key: Any, payment_cryptography_data: Any
) -> None:
    """From any key and format to any other, static and DUKPT: the same PIN comes out."""
    sides = [Side(second, draw, load_key) for _ in range(6)]
    for _ in range(3 * ROUNDS):
        incoming, outgoing = draw.choice(sides), draw.choice(sides)
        in_algorithm, in_key, in_dukpt = incoming.next()
        out_algorithm, out_key, out_dukpt = outgoing.next()
        in_format = draw.choice(FORMATS_OF[in_algorithm.startswith("AES")])
        out_formats = FORMATS_OF[out_algorithm.startswith("AES")]
        # A block with a PAN does not become one without.
        out_format = draw.choice([f for f in out_formats if f != 1 or in_format == 1])
        pan, pin = draw.pan(), draw.pin()
        block = second.encipher_pin(draw, in_format, in_algorithm, in_key, pin, pan)
        asked: dict[str, Any] = {
            "IncomingKeyIdentifier": incoming.arn,
            "OutgoingKeyIdentifier": outgoing.arn,
            "IncomingTranslationAttributes": attributes(in_format, pan),
            "OutgoingTranslationAttributes": attributes(out_format, pan),
            "EncryptedPinBlock": block.hex(),
        }
        if in_dukpt:
            asked["IncomingDukptAttributes"] = in_dukpt
        if out_dukpt:
            asked["OutgoingDukptAttributes"] = out_dukpt
        answer = payment_cryptography_data.translate_pin_data(**asked)
        made = bytes.fromhex(answer["PinBlock"])
        assert second.decipher_pin(out_format, out_algorithm, out_key, made, pan) == pin
        check_with_psec(second, out_format, out_algorithm, out_key, made, pan, pin)


@seeds
def test_pins_are_verified(
    seed: int, second: Any, draw: Any, load_key: Any, payment_cryptography_data: Any
) -> None:
    """A PIN under a static or DUKPT key verifies by PVV and by offset, and a changed one fails."""
    client = payment_cryptography_data
    pvk = draw.key("TDES_2KEY")
    visa = load_key(pvk, usage="TR31_V2_VISA_PIN_VERIFICATION_KEY", algorithm="TDES_2KEY")
    ibm = load_key(pvk, usage="TR31_V1_IBM3624_PIN_VERIFICATION_KEY", algorithm="TDES_2KEY")
    sides = [Side(second, draw, load_key) for _ in range(4)]
    for _ in range(ROUNDS):
        side = draw.choice(sides)
        algorithm, key, dukpt = side.next()
        pin_format = draw.choice(FORMATS_OF[algorithm.startswith("AES")])
        pan, pin, index, table = draw.pan(), draw.pin(), draw.randint(0, 6), draw.digits(16)
        block = second.encipher_pin(draw, pin_format, algorithm, key, pin, pan)
        asked: dict[str, Any] = {
            "EncryptionKeyIdentifier": side.arn,
            "EncryptedPinBlock": block.hex(),
            "PrimaryAccountNumber": pan,
            "PinBlockFormat": f"ISO_FORMAT_{pin_format}",
        }
        if dukpt:
            asked["DukptAttributes"] = {
                "KeySerialNumber": dukpt["KeySerialNumber"],
                "DukptDerivationType": algorithm,
            }
        pvv = second.pvv(pvk, pan, index, pin)
        offset = second.offset(second.natural_pin(pvk, pan[:12], "F", table, len(pin)), pin)
        wrong = f"{(int(pvv) + 1) % 10_000:04}"
        for value, refused in ((pvv, False), (wrong, True)):
            call = {
                "VerificationKeyIdentifier": visa,
                "VerificationAttributes": {
                    "VisaPin": {"PinVerificationKeyIndex": index, "VerificationValue": value}
                },
            }
            verify(client, asked | call, refused)
        for value, refused in (
            (offset, False),
            (str((int(offset[0]) + 1) % 10) + offset[1:], True),
        ):
            call = {
                "VerificationKeyIdentifier": ibm,
                "VerificationAttributes": {
                    "Ibm3624Pin": {
                        "DecimalizationTable": table,
                        "PinValidationData": pan[:12],
                        "PinValidationDataPadCharacter": "F",
                        "PinOffset": value,
                    }
                },
            }
            verify(client, asked | call, refused)


def verify(client: Any, asked: dict[str, Any], refused: bool) -> None:
    if not refused:
        client.verify_pin_data(**asked)
        return
    with pytest.raises(client.exceptions.VerificationFailedException) as failed:
        client.verify_pin_data(**asked)
    assert failed.value.response["Reason"] == "INVALID_PIN"


def working_key(
    second: Any, draw: Any, algorithm: str, bdk: bytes, purpose: str
) -> tuple[str, bytes, str, str]:
    """Algorithm, key, variant and serial number of a new transaction."""
    ksn = draw.ksn(algorithm)
    if algorithm == "TDES_2KEY":
        variant = draw.choice(["REQUEST", "RESPONSE"])
        key = second.dukpt_tdes(bdk, ksn, f"{purpose}_{variant}")
        return algorithm, key, variant, ksn.hex().upper()
    variant = draw.choice(["REQUEST", "RESPONSE", "BIDIRECTIONAL"])
    kind = draw.choice(DERIVED[algorithm])
    key = second.dukpt_aes(algorithm, bdk, ksn, f"{purpose}_{variant}", kind)
    return kind, key, variant, ksn.hex().upper()


@seeds
@pytest.mark.parametrize("algorithm", [*DERIVED])
def test_dukpt_data(
    seed: int,
    algorithm: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """ECB and CBC under data keys of every variant and type, there and back."""
    bdk = draw.key(algorithm)
    arn = load_key(bdk, usage=BDK, algorithm=algorithm)
    for _ in range(ROUNDS):
        kind, key, variant, ksn = working_key(second, draw, algorithm, bdk, "DATA")
        block_size = 16 if kind.startswith("AES") else 8
        mode = draw.choice(["ECB", "CBC"])
        iv = draw.randbytes(block_size) if mode == "CBC" else None
        clear = draw.blocks(block_size)
        dukpt = {
            "KeySerialNumber": ksn,
            "Mode": mode,
            "DukptKeyDerivationType": kind,
            "DukptKeyVariant": variant,
        } | ({"InitializationVector": iv.hex()} if iv else {})
        answer = payment_cryptography_data.encrypt_data(
            KeyIdentifier=arn, PlainText=clear.hex(), EncryptionAttributes={"Dukpt": dukpt}
        )
        assert answer["CipherText"] == second.encipher(kind, key, clear, iv).hex().upper()
        answer = payment_cryptography_data.decrypt_data(
            KeyIdentifier=arn,
            CipherText=answer["CipherText"],
            DecryptionAttributes={"Dukpt": dukpt},
        )
        assert answer["PlainText"] == clear.hex().upper()


@seeds
@pytest.mark.parametrize("algorithm", [*DERIVED])
def test_dukpt_macs(
    seed: int,
    algorithm: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """CMAC under MAC keys of every variant and type, ISO 9797-1 under those of TDES."""
    bdk = draw.key(algorithm)
    arn = load_key(bdk, usage=BDK, algorithm=algorithm)
    for _ in range(ROUNDS):
        kind, key, variant, ksn = working_key(second, draw, algorithm, bdk, "MAC")
        names = ["DukptCmac"]
        if not kind.startswith("AES"):
            names += ["DukptIso9797Algorithm1", "DukptIso9797Algorithm3"]
        name = draw.choice(names)
        data = draw.blocks(8)
        expected = {
            "DukptCmac": lambda key, data, kind=kind: second.cmac(kind, key, data),
            "DukptIso9797Algorithm1": second.algorithm_1,
            "DukptIso9797Algorithm3": second.algorithm_3,
        }[name](key, data)
        attributes = {
            name: {
                "KeySerialNumber": ksn,
                "DukptKeyVariant": variant,
                "DukptDerivationType": kind,
            }
        }
        answer = payment_cryptography_data.generate_mac(
            KeyIdentifier=arn,
            MessageData=data.hex(),
            GenerationAttributes=attributes,
            MacLength=8,
        )
        assert answer["Mac"] == expected[:8].hex().upper()
