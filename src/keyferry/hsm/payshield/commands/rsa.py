"""
RSA: key pairs (EI), public keys (EO), private keys (EM, EK), signatures (EW, EY), hashes (GM).

Sources: docs/evidence.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import (
    DER,
    DIGITS,
    REST,
    Constant,
    Fields,
    Number,
    Raw,
    choice,
    digits,
    hexadecimal,
)
from keyferry.hsm.groups import Group, IfNext, When, equals
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import (
    KeyField,
    PrivateKeyField,
    Under,
    WireKey,
    key_of,
    read_key,
)
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

HASHES: Final = ("01", "02", "03", "04", "05", "06", "07", "08")
PRIVATE_FOLLOWS: Final = "99"

_is_variant = equals("lmk_kind", LMKScheme.VARIANT)


def exponent_bytes(values: Values) -> int:
    """Return the bytes of a public exponent whose length is given in bits."""
    return (values.number("exponent_bits") + 7) // 8


@dataclass(frozen=True, slots=True)
class AuthenticationData:
    """
    Free bytes that are authenticated with a public key: up to the tail, whose marks they lack.

    Their length stands nowhere, so they are the one field that ends at a mark (our reading).
    """

    name: str = "authentication_data"
    marks: bytes = b"~%#\x19"

    def decode(self, reader: Reader, values: Values) -> None:
        size = 0
        while (head := reader.peek(1, skip=size)) and head not in self.marks:
            size += 1
        if size:
            values[self.name] = reader.take(size, self.name)

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get(self.name) is not None:
            out += values.raw(self.name)

    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True, slots=True)
class PublicKeyField:
    """A public key the device vouches for: its MAC and DER (variant LMK), or a key block."""

    name: str = "public_key"

    def decode(self, reader: Reader, values: Values) -> None:
        # A MAC may begin with S too, but four decimal digits can never stand where DER begins.
        head = reader.peek(6)
        if head[:1] == b"S" and head[1:2] in (b"0", b"1") and not head[2:].translate(None, DIGITS):
            values[self.name] = read_key(reader, self.name, bare=0, binary=True)
            return
        values["public_key_mac"] = reader.take(4, "public_key_mac")
        DER(self.name).decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        if values.get("public_key_mac") is not None:
            out += values.raw("public_key_mac")
            DER(self.name).encode(values, out)
        else:
            out += key_of(values, self.name).wire

    def names(self) -> tuple[str, ...]:
        return (self.name, "public_key_mac")


@dataclass(frozen=True, slots=True)
class ChosenPrivateKey:
    """A private key that follows (`99`), or the index of one that was loaded (`00` to `20`)."""

    name: str = "private_key"

    def decode(self, reader: Reader, values: Values) -> None:
        digits("private_flag", 2).decode(reader, values)
        if values.text("private_flag") == PRIVATE_FOLLOWS:
            PrivateKeyField(self.name).decode(reader, values)

    def encode(self, values: Values, out: bytearray) -> None:
        key = values.get(self.name)
        values["private_flag"] = PRIVATE_FOLLOWS if key is not None else values.get("private_flag")
        digits("private_flag", 2).encode(values, out)
        if isinstance(key, WireKey):
            PrivateKeyField(self.name).encode(values, out)

    def names(self) -> tuple[str, ...]:
        return ("private_flag", self.name)


EI: Final = Command(
    code="EI",
    response_code="EJ",
    name="generate RSA key pair",
    request=(
        choice("key_use", "0", "1", "2", reply="05"),
        Number("modulus_bits", 4, low=320, high=4096, reply="04"),
        choice("encoding", "01", "02", reply="03"),
        IfNext(
            DIGITS,
            (
                Number("exponent_bits", 4, low=1, high=4096, reply="06"),
                Raw("exponent", exponent_bytes),
            ),
        ),
        tails.LMK,
        tails.SHORT_HEADER,
        tails.CHANGED_EXPORTABILITY,
    ),
    response=(DER("new_public_key"), PrivateKeyField("new_private_key")),
    source="ut-codec-payshield, payshield-rest-api, AWS samples",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
    errors={
        "03": "invalid public key encoding",
        "04": "invalid modulus length",
        "05": "invalid key type",
        "06": "invalid public exponent length",
        "08": "public exponent is even",
    },
)

EO: Final = Command(
    code="EO",
    response_code="EP",
    name="import public key",
    request=(
        choice("encoding", "01", "02", reply="03"),
        DER("public_key_der"),
        AuthenticationData(),
        Group(b"~", "key block", ()),
        tails.LMK,
        tails.PUBLIC_HEADER,
    ),
    response=(
        When(
            _is_variant,
            (Raw("new_public_key_mac", 4), DER("new_public_key")),
            otherwise=(KeyField("new_public_block", bare=0, binary=True),),
        ),
    ),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CLIENT,),
    errors={"03": "invalid public key encoding"},
)

EM: Final = Command(
    code="EM",
    response_code="EN",
    name="translate private key from old LMK to new LMK",
    request=(
        PrivateKeyField("private_key", under=Under.OLD_LMK),
        tails.LMK,
        tails.SHORT_HEADER,
        tails.CHANGED_EXPORTABILITY,
    ),
    response=(PrivateKeyField("new_private_key"),),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CLIENT,),
)

EK: Final = Command(
    code="EK",
    response_code="EL",
    name="load private key",
    request=(
        digits("index", 2, *(f"{index:02d}" for index in range(21)), reply="21"),
        PrivateKeyField("private_key"),
        tails.LMK,
    ),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.PARSER,),
)

LA: Final = Command(
    code="LA",
    response_code="LB",
    name="store data in user storage",
    request=(
        choice("kind", "B", "K"),
        hexadecimal("index", 3),
        Number("data_bytes", 4, counts="data"),
        Raw("data", "data_bytes", short="80"),
    ),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CLIENT,),
)

EW: Final = Command(
    code="EW",
    response_code="EX",
    name="sign",
    request=(
        choice("hash", *HASHES),
        choice("signature_method", "01"),
        choice("padding", "01", "04"),
        Number("data_bytes", 4, counts="data"),
        Raw("data", "data_bytes", short="80"),
        Constant("delimiter", b";"),
        ChosenPrivateKey(),
        tails.LMK,
    ),
    response=(
        Number("signature_bytes", 4, counts="signature"),
        Raw("signature", "signature_bytes"),
    ),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CLIENT,),
)

EY: Final = Command(
    code="EY",
    response_code="EZ",
    name="verify signature",
    request=(
        choice("hash", *HASHES),
        choice("signature_method", "01"),
        choice("padding", "01", "04"),
        Number("signature_bytes", 4, counts="signature"),
        Raw("signature", "signature_bytes", short="80"),
        Constant("delimiter", b";"),
        Number("data_bytes", 4, counts="data"),
        Raw("data", "data_bytes", short="80"),
        Constant("delimiter", b";"),
        PublicKeyField(),
        AuthenticationData(),
        tails.LMK,
    ),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CLIENT,),
    errors={"01": "public key MAC verification failed", "02": "signature verification failed"},
)

GM: Final = Command(
    code="GM",
    response_code="GN",
    name="hash",
    request=(
        choice("hash", "01", "02", "03", "05", "06", "07", "08"),
        Number("data_bytes", 5, counts="data"),
        Raw("data", "data_bytes", short="80"),
    ),
    response=(Raw("digest", REST),),
    source="payshield-crypto-client, Payshield_test",
    evidence=(Evidence.CAPTURE,),
)


def _by_name_only(code: str, name: str) -> Command:
    layout: Fields | None = None
    return Command(
        code=code,
        response_code=code[0] + chr(ord(code[1]) + 1),
        name=name,
        request=layout,
        source="name only, no public layout",
        evidence=(Evidence.INFERRED,),
        repeatable=False,
    )


COMMANDS: Final = (
    EI,
    EO,
    EM,
    EK,
    LA,
    EW,
    EY,
    GM,
    _by_name_only("EQ", "validate public key"),
    _by_name_only("ES", "import certificate"),
    _by_name_only("EU", "translate public key to new LMK"),
    _by_name_only("GK", "export key under RSA public key"),
    _by_name_only("L0", "generate HMAC key"),
    _by_name_only("LU", "import HMAC key"),
    _by_name_only("LW", "export HMAC key"),
    _by_name_only("LY", "translate HMAC key to new LMK"),
)
