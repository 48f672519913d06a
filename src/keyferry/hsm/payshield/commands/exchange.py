"""
Keys by asymmetric means: FY and IG (ECDH), QE (certificate request), B8 (TR-34), GI (RSA import).

The constants of B8 and QE that nobody has explained are sent and
demanded exactly as the one public client sends them.
"""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import (
    DER,
    HEX,
    Constant,
    Number,
    Raw,
    Terminated,
    Text,
    choice,
    hexadecimal,
)
from keyferry.hsm.groups import Group, When, equals
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.commands.rsa import ChosenPrivateKey
from keyferry.hsm.payshield.key_field import KeyField, Under, UnmeasuredPrivateKey, WireKey
from keyferry.hsm.payshield.rsa_public import modulus_bits, variant_private_bytes
from keyferry.hsm.values import Values

FY: Final = Command(
    code="FY",
    response_code="FZ",
    name="generate ECC key pair",
    request=(
        Constant("command_version", b"01", reply="E0"),
        choice("curve", "00", "01", "02", reply="D2"),
        choice("encoding", "03", reply="D3"),
        tails.LMK,
        tails.PUBLIC_HEADER,
    ),
    response=(
        Number("new_public_key_bytes", 4, counts="new_public_key"),
        Raw("new_public_key", "new_public_key_bytes"),
        KeyField("new_private_key", bare=0),
    ),
    source="AWS samples, PayShieldPressureTest",
    evidence=(Evidence.CLIENT,),
    errors={
        "D2": "invalid curve",
        "D3": "invalid public key encoding",
        "E0": "invalid command version number",
    },
)

IG: Final = Command(
    code="IG",
    response_code="IH",
    name="agree key by ECDH",
    request=(
        Constant("scheme", b"21"),
        choice("encoding", "03", reply="D3"),
        DER("peer_public_key"),
        KeyField("private_key", bare=0),
        choice("kdf", "1", "2"),
        choice("hash", "05", "06", "07", "08"),
        choice("shared_info_flag", "0", "1"),
        When(
            equals("shared_info_flag", "1"),
            (
                Number("shared_info_characters", 4, counts="shared_info"),
                Text("shared_info", "shared_info_characters", HEX),
            ),
        ),
        Constant("delimiter", b";"),
        Constant("key_count", b"01"),
        Number("key_bits", 5),
        tails.usage("header"),
        tails.ALGORITHM,
        tails.mode("header"),
        tails.version("header"),
        tails.exportability("header"),
        *tails.optional_blocks("header"),
        Constant("end of list", b";:"),
    ),
    response=(KeyField("new_key", bare=0), Raw("kcv", 3)),
    source="AWS samples; field names inferred from the literal",
    evidence=(Evidence.CLIENT, Evidence.INFERRED),
    errors={"D3": "invalid public key encoding"},
)


def _variant_private_bytes(values: Values) -> int:
    return variant_private_bytes(modulus_bits(values.raw("public_key")))


QE: Final = Command(
    code="QE",
    response_code="QF",
    name="generate certificate signing request",
    request=(
        Constant("request_version", b"00"),
        choice("signature_method", "01", "02"),
        When(
            equals("signature_method", "01"),
            (choice("encoding", "02", reply="03"),),
            otherwise=(choice("encoding", "03", reply="D3"),),
        ),
        DER("public_key"),
        UnmeasuredPrivateKey("private_key", _variant_private_bytes),
        When(equals("signature_method", "01"), (Constant("padding", b"01"),)),
        Constant("hash", b"06"),
        Constant("request_format", b"1"),
        *(
            Terminated(name, b";", high=128)
            for name in (
                "common_name",
                "organizational_unit",
                "organization",
                "locality",
                "state",
                "country",
            )
        ),
    ),
    response=(
        Number("request_bytes", 4, counts="request_pem"),
        Raw("request_pem", "request_bytes"),
    ),
    source="AWS samples, where it is defined and never called",
    evidence=(Evidence.INFERRED,),
    errors={"03": "invalid public key encoding", "D3": "invalid public key encoding"},
)

B8: Final = Command(
    code="B8",
    response_code="B9",
    name="export key by TR-34",
    request=(
        Constant("tr34_version", b"0"),
        tails.KEY_TYPE,
        KeyField("key"),
        DER("kdh_id"),
        Constant("constant after the KDH credential id", b"000001"),
        DER("krd_id"),
        DER("krd_public_key", reply="76"),
        Constant("constant after the KRD public key", b"00"),
        ChosenPrivateKey(),
        Constant("constant after the KDH private key", b"010"),
        Number("nonce_bytes", 2, base=16, low=8, high=16, counts="nonce"),
        Raw("nonce", "nonce_bytes"),
        tails.LMK,
        tails.EXPORT,
        tails.BLOCK_VERSION,
    ),
    response=(
        DER("attributes", tags=(0x31, 0x30, 0xA0)),
        Raw("kcv", 3),
        DER("enveloped_data"),
        Number("signature_bytes", 4, counts="signature"),
        Raw("signature", "signature_bytes"),
    ),
    source="AWS samples",
    evidence=(Evidence.CLIENT,),
    errors={"76": "KRD public key length error", "78": "KDH private key length error"},
)


def _seals_initial_vector(values: Values) -> bool:
    return values.get("block_type") == "01"


def _vector_characters(values: Values) -> int:
    key = values.get("new_key")
    return 32 if isinstance(key, WireKey) and key.algorithm == "A" else 16


GI: Final = Command(
    code="GI",
    response_code="GJ",
    name="import key under RSA public key",
    request=(
        choice("encryption", "01"),
        choice("padding", "01", "02"),
        When(
            equals("padding", "02"),
            (
                choice("mgf", "01", reply="85"),
                choice("mgf_hash", "01", "05", "06", "07", "08", reply="86"),
                Number("parameter_bytes", 2, counts="parameter"),
                Raw("parameter", "parameter_bytes", short="87"),
                Constant("delimiter", b";"),
            ),
        ),
        hexadecimal("key_type_4", 4),
        Number("cryptogram_bytes", 4, counts="cryptogram"),
        Raw("cryptogram", "cryptogram_bytes", short="76"),
        Constant("delimiter", b";"),
        ChosenPrivateKey(),
        Group(
            b";",
            "import group",
            (
                choice("import_type", "0", "1", "2"),
                tails.scheme("lmk_scheme"),
                choice("kcv_type", "0", "1"),
            ),
        ),
        Group(b"=", "key data block", (choice("block_type", "01", "02", "03", reply="83"),)),
        tails.LMK,
        tails.WRAPPED_HEADER,
    ),
    response=(
        When(_seals_initial_vector, (hexadecimal("initial_vector", _vector_characters),)),
        KeyField("new_key", under=Under.LMK),
        hexadecimal("kcv", 6),
    ),
    source="payshield-rest-api",
    evidence=(Evidence.CLIENT,),
    errors={
        "76": "encrypted data length error",
        "83": "key block format not supported",
        "85": "invalid OAEP mask generation function",
        "86": "invalid OAEP mask generation hash",
        "87": "OAEP parameter error",
    },
)

COMMANDS: Final = (FY, IG, QE, B8, GI)
