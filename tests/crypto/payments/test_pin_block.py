"""PIN blocks: layouts as published, round trips, and refusals that all look alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.pin_block import (
    PINBlockFormat,
    decode_pin_block,
    decrypt_pin_block,
    encode_pin_block,
    encrypt_pin_block,
    translate_pin_block,
)
from keyferry.errors import (
    DataSizeError,
    KeyferryError,
    PaymentDataError,
    PINBlockError,
    UnsupportedAlgorithmError,
)

ISO_0, ISO_1, ISO_2, ISO_3, ISO_4 = PINBlockFormat
UNDER_A_KEY = (ISO_0, ISO_1, ISO_3, ISO_4)
PAN = "5432101234567890"
TDES = CipherKey(Cipher.TDES, bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
OTHER_TDES = CipherKey(
    Cipher.TDES, bytes.fromhex("111111111111111122222222222222223333333333333333")
)
AES = CipherKey(Cipher.AES, bytes.fromhex("AF8CB133A78F8DC2D1359F18527593FB"))
OTHER_AES = CipherKey(Cipher.AES, bytes(32))

FIXED = settings(derandomize=True, deadline=None, max_examples=200)
SOAK = settings(derandomize=True, deadline=None, max_examples=5_000)
pins = st.text("0123456789", min_size=4, max_size=12)
pans = st.text("0123456789", min_size=12, max_size=19)
formats = st.sampled_from(UNDER_A_KEY)


def key_for(pin_format: PINBlockFormat) -> CipherKey:
    return AES if pin_format is ISO_4 else TDES


@pytest.mark.parametrize(
    ("pin_format", "fill", "block"),
    [
        (ISO_0, None, "041215FEDCBA9876"),
        (ISO_1, "0123456789", "1412340123456789"),
        (ISO_2, None, "241234FFFFFFFFFF"),
        (ISO_3, "ABCDEFABCD", "341215AAEEAACC44"),
        (ISO_4, "2F69ADDE2E9E7ACE", "441234AAAAAAAAAA2F69ADDE2E9E7ACE"),
    ],
)
def test_clear_layouts(pin_format: PINBlockFormat, fill: str | None, block: str) -> None:
    """Each format has the nibbles the standard draws."""
    assert encode_pin_block(pin_format, "1234", PAN, fill=fill) == bytes.fromhex(block)
    assert decode_pin_block(pin_format, bytes.fromhex(block), PAN) == "1234"


def test_format_0_under_a_key() -> None:
    """A format 0 block is its clear form in ECB."""
    block = bytes.fromhex("BA2ADC4EBA48F711")
    assert encrypt_pin_block(TDES, ISO_0, "1234", PAN) == block
    assert decrypt_pin_block(TDES, ISO_0, block, PAN) == "1234"


def test_check_digit_is_in_no_block_of_8_bytes() -> None:
    """Another check digit opens the same format 0 block; format 4 holds the whole PAN."""
    assert decrypt_pin_block(TDES, ISO_0, bytes.fromhex("BA2ADC4EBA48F711"), PAN[:-1] + "1")
    block = encrypt_pin_block(AES, ISO_4, "1234", PAN)
    with pytest.raises(PINBlockError):
        decrypt_pin_block(AES, ISO_4, block, PAN[:-1] + "1")


def test_format_4_of_the_published_supplement() -> None:
    """The AES block of X9.24-3's examples comes out."""
    block = encrypt_pin_block(AES, ISO_4, "1234", "4111111111111111", fill="2f69adde2e9e7ace")
    assert block.hex().upper() == "A912150391AB65A67E52883D81CE2D15"


def test_pan_of_12_digits_is_filled_on_the_left() -> None:
    """Eleven digits without the check digit become twelve with a leading zero."""
    assert encode_pin_block(ISO_0, "1234", "123456789012") == encode_pin_block(
        ISO_0, "1234", "0123456789012"
    )


@FIXED
@given(formats, pins, pans)
def test_round_trip(pin_format: PINBlockFormat, pin: str, pan: str) -> None:
    """What is encrypted decrypts to the same PIN, in every format, for every length."""
    key = key_for(pin_format)
    block = encrypt_pin_block(key, pin_format, pin, pan)
    assert len(block) == pin_format.block_size
    assert decrypt_pin_block(key, pin_format, block, pan) == pin


@FIXED
@given(st.sampled_from((ISO_0, ISO_3, ISO_4)), pins, pans)
def test_wrong_key_is_refused(pin_format: PINBlockFormat, pin: str, pan: str) -> None:
    """Another key does not open a block whose format can tell."""
    block = encrypt_pin_block(key_for(pin_format), pin_format, pin, pan)
    other = OTHER_AES if pin_format is ISO_4 else OTHER_TDES
    with pytest.raises(PINBlockError):
        decrypt_pin_block(other, pin_format, block, pan)


@FIXED
@given(pins, pans, pans)
def test_wrong_pan_is_refused_by_format_4(pin: str, pan: str, other: str) -> None:
    """Another PAN does not open a format 4 block."""
    block = encrypt_pin_block(AES, ISO_4, pin, pan)
    if pan == other:
        assert decrypt_pin_block(AES, ISO_4, block, other) == pin
    else:
        with pytest.raises(PINBlockError):
            decrypt_pin_block(AES, ISO_4, block, other)


@FIXED
@given(st.sampled_from((ISO_0, ISO_3)), pins, pans, pans)
def test_wrong_pan_in_formats_0_and_3(
    pin_format: PINBlockFormat, pin: str, pan: str, other: str
) -> None:
    """
    Another PAN is refused, or by the nature of XOR gives another PIN, never the PIN.

    Only format 3 may still give the PIN: if the PANs differ where the fill stands, and that stays
    between A and F.
    """
    block = encrypt_pin_block(TDES, pin_format, pin, pan)
    same_field = pan[-13:-1].zfill(12) == other[-13:-1].zfill(12)
    try:
        opened = decrypt_pin_block(TDES, pin_format, block, other)
    except PINBlockError:
        assert not same_field
    else:
        assert same_field == (opened == pin) or pin_format is ISO_3


def any_block_opens_or_is_refused(pin_format: PINBlockFormat, data: bytes) -> None:
    block = data[: pin_format.block_size]
    try:
        pin = decode_pin_block(pin_format, block, PAN)
    except PINBlockError:
        return
    assert 4 <= len(pin) <= 12
    assert pin.isdecimal()


@FIXED
@given(st.sampled_from(tuple(PINBlockFormat)), st.binary(min_size=16, max_size=16))
def test_any_block_opens_or_is_refused(pin_format: PINBlockFormat, data: bytes) -> None:
    """No block raises anything but the one error."""
    any_block_opens_or_is_refused(pin_format, data)


@pytest.mark.soak
@SOAK
@given(st.sampled_from(tuple(PINBlockFormat)), st.binary(min_size=16, max_size=16))
def test_fuzz_any_block(pin_format: PINBlockFormat, data: bytes) -> None:
    """The long form of the same."""
    any_block_opens_or_is_refused(pin_format, data)


@pytest.mark.parametrize(
    ("pin_format", "block"),
    [
        (ISO_0, "141234FFFFFFFFFF"),  # control
        (ISO_0, "031234FFFFFFFFFF"),  # too short
        (ISO_0, "0D1234567890123F"),  # too long
        (ISO_0, "0012340000000000"),  # no length
        (ISO_0, "04123AFFFFFFFFFF"),  # letter in the PIN
        (ISO_0, "041234FFFFFFFFFE"),  # fill
        (ISO_1, "041234FFFFFFFFFF"),
        (ISO_1, "14A234FFFFFFFFFF"),
        (ISO_2, "241234FFFFFFFFF0"),
        (ISO_3, "341234AAAAAAAAA9"),
        (ISO_3, "3F12345678901234"),
        (ISO_4, "541234AAAAAAAAAA0000000000000000"),
        (ISO_4, "441234AAAAAAAAAB0000000000000000"),
        (ISO_4, "431234AAAAAAAAAA0000000000000000"),
    ],
)
def test_refusals_look_alike(pin_format: PINBlockFormat, block: str) -> None:
    """Whatever is wrong with a block, type and words of the refusal are the same."""
    # The PAN field is XORed out again, so that the listed nibbles are the ones looked at.
    field = int(PAN[-13:-1], 16) if pin_format in (ISO_0, ISO_3) else 0
    data = bytes.fromhex(block)
    masked = (int.from_bytes(data[:8]) ^ field).to_bytes(8) + data[8:]
    with pytest.raises(PINBlockError) as refused:
        decode_pin_block(pin_format, masked, PAN)
    assert str(refused.value) == "PIN block is not valid"
    assert type(refused.value) is PINBlockError
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize(
    "pin", ["", "123", "1234567890123", "12a4", "12 4", "１２３４", "12²4", "-123"]
)
@pytest.mark.parametrize("pin_format", PINBlockFormat)
def test_bad_pin_is_refused(pin_format: PINBlockFormat, pin: str) -> None:
    """A PIN is 4 to 12 ASCII digits, and the refusal does not repeat it."""
    with pytest.raises(PaymentDataError, match=r"^PIN: expected 4 to 12 decimal digits$"):
        encode_pin_block(pin_format, pin, PAN)


@pytest.mark.parametrize("pan", [None, "", "12345678901", "1" * 20, "12345678901a", "１" * 16])
@pytest.mark.parametrize("pin_format", [ISO_0, ISO_3])
def test_bad_pan_is_refused(pin_format: PINBlockFormat, pan: str | None) -> None:
    """A PAN is 12 to 19 ASCII digits, on the way in and out, and the refusal does not repeat it."""
    for call in (
        lambda: encrypt_pin_block(TDES, pin_format, "1234", pan),
        lambda: decrypt_pin_block(TDES, pin_format, bytes(8), pan),
        lambda: decode_pin_block(pin_format, bytes(8), pan),
    ):
        with pytest.raises(PaymentDataError, match=r"^PAN: expected [\da-zA-Z: ]+$") as refused:
            call()
        assert not pan or pan not in str(refused.value)


@pytest.mark.parametrize("pan", [None, "", "1" * 20, "12345678901a"])
def test_bad_pan_is_refused_by_format_4(pan: str | None) -> None:
    """Format 4 takes 1 to 19 digits."""
    for call in (
        lambda: encrypt_pin_block(AES, ISO_4, "1234", pan),
        lambda: decrypt_pin_block(AES, ISO_4, bytes(16), pan),
    ):
        with pytest.raises(PaymentDataError, match=r"^PAN: "):
            call()


@pytest.mark.parametrize("pin_format", UNDER_A_KEY)
def test_cipher_must_fit_the_format(pin_format: PINBlockFormat) -> None:
    """TDES serves formats of 8 bytes, AES format 4, and nothing else."""
    wrong = TDES if pin_format is ISO_4 else AES
    with pytest.raises(UnsupportedAlgorithmError):
        encrypt_pin_block(wrong, pin_format, "1234", PAN)
    with pytest.raises(UnsupportedAlgorithmError):
        decrypt_pin_block(wrong, pin_format, bytes(pin_format.block_size), PAN)


def test_format_2_goes_under_no_key() -> None:
    """Format 2 is for chips: encoded, never under a PIN encryption key."""
    with pytest.raises(UnsupportedAlgorithmError):
        encrypt_pin_block(TDES, ISO_2, "1234")
    with pytest.raises(UnsupportedAlgorithmError):
        decrypt_pin_block(TDES, ISO_2, bytes(8))


@pytest.mark.parametrize("pin_format", UNDER_A_KEY)
@pytest.mark.parametrize("change", [-1, 1, 8])
def test_block_size_is_checked(pin_format: PINBlockFormat, change: int) -> None:
    """A block of another size is refused, clear or not."""
    block = bytes(pin_format.block_size + change)
    with pytest.raises(DataSizeError):
        decode_pin_block(pin_format, block, PAN)
    with pytest.raises(DataSizeError):
        decrypt_pin_block(key_for(pin_format), pin_format, block, PAN)


@pytest.mark.parametrize(
    ("pin_format", "fill"),
    [
        (ISO_1, "012345678"),
        (ISO_1, "012345678G"),
        (ISO_1, "\ufb00" * 10),  # a ligature that upper-cases to FF
        (ISO_3, "ABCDEFABC0"),
        (ISO_3, "ABCDEFABCDE"),
        (ISO_4, "00"),
        (ISO_4, "00 00 00 00 00 0"),
    ],
)
def test_bad_fill_is_refused(pin_format: PINBlockFormat, fill: str) -> None:
    """Given fill has the format's length and alphabet."""
    with pytest.raises(PaymentDataError, match="fill"):
        encode_pin_block(pin_format, "1234", PAN, fill=fill)


@pytest.mark.parametrize("pin_format", [ISO_1, ISO_3, ISO_4])
def test_fill_is_fresh(pin_format: PINBlockFormat) -> None:
    """The same PIN twice does not give the same block twice."""
    key = key_for(pin_format)
    blocks = {encrypt_pin_block(key, pin_format, "1234", PAN) for _ in range(8)}
    assert len(blocks) == 8


def test_fill_of_format_3_is_uniform() -> None:
    """Each letter comes from the same number of byte values; the four left over are dropped."""
    seen: list[int] = []

    def every_byte(count: int) -> bytes:
        start = len(seen)
        seen.extend(range(count))
        return bytes((start + i) % 256 for i in range(count))

    letters = ""
    while len(letters) < 252 // 2:
        block = encode_pin_block(ISO_3, "0000", "0" * 16, random_bytes=every_byte)
        letters += block.hex().upper()[6:]
    assert set(letters) == set("ABCDEF")
    # Only bytes of 252 and above: nothing usable, so more is asked for.
    answers = [b"\xff" * 16, bytes(16)]
    block = encode_pin_block(ISO_3, "0000", "0" * 16, random_bytes=lambda _: answers.pop(0))
    assert block.hex().upper() == "340000AAAAAAAAAA"


@FIXED
@given(formats, formats, pins, pans)
def test_translation_keeps_the_pin(
    incoming: PINBlockFormat, outgoing: PINBlockFormat, pin: str, pan: str
) -> None:
    """A translated block holds the same PIN, and a PAN is never lost."""
    block = encrypt_pin_block(key_for(incoming), incoming, pin, pan)

    def translate() -> bytes:
        return translate_pin_block(
            block,
            incoming_key=key_for(incoming),
            incoming_format=incoming,
            incoming_pan=pan if incoming.has_pan else None,
            outgoing_key=OTHER_AES if outgoing is ISO_4 else OTHER_TDES,
            outgoing_format=outgoing,
            outgoing_pan=pan if outgoing.has_pan else None,
        )

    if incoming.has_pan and not outgoing.has_pan:
        with pytest.raises(PaymentDataError, match="format"):
            translate()
        return
    key = OTHER_AES if outgoing is ISO_4 else OTHER_TDES
    assert decrypt_pin_block(key, outgoing, translate(), pan) == pin


def test_pan_may_be_lost_by_name_only() -> None:
    """The flag allows the translation that is otherwise refused."""
    block = translate_pin_block(
        encrypt_pin_block(TDES, ISO_0, "1234", PAN),
        incoming_key=TDES,
        incoming_format=ISO_0,
        incoming_pan=PAN,
        outgoing_key=OTHER_TDES,
        outgoing_format=ISO_1,
        outgoing_pan=None,
        allow_pan_loss=True,
    )
    assert decrypt_pin_block(OTHER_TDES, ISO_1, block) == "1234"


def test_pan_may_not_change() -> None:
    """A PIN does not move to another account."""
    with pytest.raises(PaymentDataError, match="outgoing PAN"):
        translate_pin_block(
            encrypt_pin_block(TDES, ISO_0, "1234", PAN),
            incoming_key=TDES,
            incoming_format=ISO_0,
            incoming_pan=PAN,
            outgoing_key=AES,
            outgoing_format=ISO_4,
            outgoing_pan=PAN[:-1] + "1",
        )


@FIXED
@given(
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
    st.sampled_from(tuple(PINBlockFormat)),
)
def test_no_text_raises_anything_else(
    pin: str, pan: str, fill: str, pin_format: PINBlockFormat
) -> None:
    """Any text as PIN, PAN or fill is taken or refused with an error of ours."""
    try:
        block = encode_pin_block(pin_format, pin, pan, fill=fill)
    except KeyferryError:
        return
    assert len(block) == pin_format.block_size
