"""The configuration file: the samples' layout, three formats, and mistakes told by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.errors import ConfigurationError
from keyferry.exchange.config import ExchangeConfig
from keyferry.exchange.config_file import MAXIMUM_BYTES, load_config, parse_config
from keyferry.keys import KeyAlgorithm

# The file of the published samples, with the members they have.
SAMPLE = """
{"kdh": {"futurex": {"host": "127.0.0.1", "port": 9000,
                     "tr34": {"transport_key": "", "transport_key_kcv": ""},
                     "tr31": {"kek": "", "transport_key": "", "transport_key_kcv": ""},
                     "ecdh": {"transport_key": "", "transport_key_kcv": ""}},
         "apc": {"region": "us-west-2", "assume_role": "arn:aws:iam::111111111111:role/Admin",
                 "ecdh": {"transport_key": "", "transport_key_kcv": ""}},
         "payshield": {"host": "127.0.0.1", "port": 9150, "variant_lmk": false,
                       "variant_lmk_identifier": "02", "key_block_lmk_identifier": "00",
                       "debug": false,
                       "tr34": {"transport_key": "", "transport_key_kcv": ""},
                       "tr31": {"kek": "", "transport_key": "", "transport_key_kcv": ""},
                       "ecdh": {"transport_key": "", "transport_key_kcv": ""}}},
 "krd": {"apc": {"region": "us-east-2", "assume_role": "", "tr31": {"kek": ""}}}}
"""


def parse(document: Any) -> ExchangeConfig:
    """Parse a document as JSON."""
    data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    return parse_config(data, decoder=msgspec.json.decode, name="c.json")


def test_the_samples_file_is_read() -> None:
    """The published input_config.json needs no change."""
    config = parse(SAMPLE)
    assert config.kdh.payshield is not None
    assert config.kdh.payshield.port == 9150
    assert config.kdh.payshield.lmk_identifier == "00"
    assert config.krd.apc is not None
    assert config.krd.apc.region == "us-east-2"


def test_defaults() -> None:
    """An empty object is a whole configuration."""
    config = parse("{}")
    assert config.kdh.payshield is None
    payshield = parse({"kdh": {"payshield": {"variant_lmk": True}}}).kdh.payshield
    assert payshield is not None
    assert (payshield.host, payshield.port, payshield.lmk_identifier) == ("127.0.0.1", 1500, "02")
    assert payshield.certificate_authority == "local"


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".json", '{"krd": {"apc": {"region": "us-east-1", "tr31": {"kek": "alias/kek"}}}}'),
        (".yaml", "krd:\n  apc:\n    region: us-east-1\n    tr31: {kek: alias/kek}\n"),
        (".yml", "krd: {apc: {region: us-east-1, tr31: {kek: alias/kek}}}\n"),
        (".toml", '[krd.apc]\nregion = "us-east-1"\ntr31 = {kek = "alias/kek"}\n'),
    ],
)
def test_three_formats(tmp_path: Path, suffix: str, text: str) -> None:
    """JSON, YAML and TOML say the same."""
    file = tmp_path / f"config{suffix}"
    file.write_text(text)
    apc = load_config(file).krd.apc
    assert apc is not None
    assert (apc.region, apc.tr31.kek) == ("us-east-1", "alias/kek")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kdh": {"payshield": {"hots": 1}}}, "kdh.payshield.hots is not known; the nearest is"
         " kdh.payshield.host"),
        ({"kdh": {"payshield": {"tr34": {"transport_kye": ""}}}}, "the nearest is"
         " kdh.payshield.tr34.transport_key"),
        ({"kdh": {"thales": {}}}, "kdh.thales is not known; the nearest is kdh.atalla"),
        ({"khd": {}}, "khd is not known; the nearest is kdh"),
        ({"kdh": {"payshield": {"port": 0}}}, "kdh.payshield.port: expected int >= 1"),
        ({"kdh": {"payshield": {"port": "1500"}}}, "kdh.payshield.port: expected int, got str"),
        ({"kdh": {"payshield": {"variant_lmk": "false"}}}, "kdh.payshield.variant_lmk: expected"
         " bool, got str"),
        ({"kdh": {"payshield": {"variant_lmk_identifier": "2"}}}, "variant_lmk_identifier:"
         " expected two digits"),
        ({"kdh": {"payshield": {"tr34": {"nonce": "00"}}}}, "kdh.payshield.tr34.nonce: expected"
         " 16 to 32 hex characters"),
        ({"kdh": {"payshield": {"tr34": {"transport_key_kcv": "xyz!"}}}}, "4 to 16 hex"),
        ({"kdh": {"payshield": {"tr34": {"key_algorithm": "TDES"}}}}, "kdh.payshield.tr34"
         ".key_algorithm: expected one of TDES_2KEY, TDES_3KEY, AES_128"),
        ({"kdh": {"payshield": {"ecdh": {"hash_algorithm": "SHA256"}}}}, "SHA_256, SHA_384"),
        ({"kdh": {"payshield": {"timeout_seconds": 0}}}, "kdh.payshield.timeout_seconds: expected"
         " float > 0"),
        ({"kdh": {"payshield": {"tls": {"ca": "x"}}}}, "the nearest is kdh.payshield.tls.ca_file"),
        ({"kdh": {"payshield": {"certificate_authority": {"key_file": "x"}}}}, "missing required"
         " field certificate_file"),
        ({"kdh": {"local": {"component_files": "x"}}}, "kdh.local.component_files: expected array"),
        ([], "expected an object with kdh and krd"),
        ("3", "expected an object with kdh and krd"),
        ("{", "not well-formed: it ends too early"),
        ('{"kdh": }', "not well-formed at byte 8"),
        ("[" * 100_000, "nested too deeply"),
        ("", "not well-formed"),
    ],
)  # fmt: skip
def test_mistakes_are_told_by_name(document: Any, said: str) -> None:
    """Every problem names the file and the member."""
    with pytest.raises(ConfigurationError) as caught:
        parse(document)
    assert str(caught.value).startswith("c.json: ")
    assert said in str(caught.value)


def test_every_unknown_member_is_told_at_once() -> None:
    """Two misspelt members make one error with both."""
    with pytest.raises(ConfigurationError) as caught:
        parse({"kdh": {"apc": {"regoin": "x"}}, "krd": {"apc": {"endpoint": "x"}}})
    assert "kdh.apc.region" in str(caught.value)
    assert "krd.apc.endpoint_url" in str(caught.value)


def test_numbers_for_digits_get_a_hint() -> None:
    """YAML reads 02 as a number; the hint says what to do."""
    with pytest.raises(ConfigurationError) as caught:
        parse_config(
            b"kdh: {payshield: {key_block_lmk_identifier: 0}}",
            decoder=msgspec.yaml.decode,
            name="c.yaml",
        )
    assert caught.value.hint == 'put the digits in quotes: "02"'


def test_values_are_not_repeated() -> None:
    """A mistake may be a key in the wrong place, so no message quotes a value."""
    secret = "0123456789ABCDEFFEDCBA9876543210"
    for document in (
        {"kdh": {"payshield": {"tr34": {"key_algorithm": secret}}}},
        {"kdh": {"payshield": {"tr34": {"transport_key_kcv": secret}}}},
        {"kdh": {"payshield": {"port": secret}}},
        '{"kdh": {"payshield": {"tr34": {"transport_key": "' + secret + "\n",
    ):
        with pytest.raises(ConfigurationError) as caught:
            parse(document)
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.ini", b"", "suffix '.ini' is not known"),
        ("c", b"", "suffix '(none)' is not known"),
        ("c.json", b" " * (MAXIMUM_BYTES + 1), "larger than"),
        ("c.json", b"\xff\xfe", "not well-formed"),
        ("c.yaml", b"kdh: [\n", "not well-formed at line 2"),
        ("c.yaml", b"a: &x [*x]\n", "a is not known"),
        ("c.yaml", b"!!python/object/apply:os.getcwd []\n", "not well-formed"),
        ("c.toml", b"kdh = \n", "not well-formed at line 1"),
        ("c.toml", b"kdh = 1979-05-27\n", "kdh: expected object"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """The file is named, whatever is wrong with it."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_config(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_a_missing_file() -> None:
    """A file that is not there is a configuration error, not a traceback."""
    with pytest.raises(ConfigurationError, match="no such file or directory"):
        load_config(Path("/nonexistent/config.json"))


_NAMES = st.text(max_size=8) | st.sampled_from(
    [
        *("kdh", "krd", "payshield", "apc", "local", "tr34", "tr31", "ecdh", "port", "kek"),
        *("nonce", "certificate_authority", "tls", "component_files", "key_algorithm"),
    ]
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(list(KeyAlgorithm)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=20,
)


def _refusal(data: bytes, decoder: Any) -> str:
    """What a document is refused with; empty if it is read. Other exceptions pass."""
    try:
        parse_config(data, decoder=decoder, name="c")
    except ConfigurationError as error:
        return str(error)
    return ""


@given(_VALUES)
def test_fuzz_documents(document: Any) -> None:
    """Any JSON document is read or refused with a ConfigurationError."""
    refusal = _refusal(json.dumps(document).encode(), msgspec.json.decode)
    assert not refusal or refusal.startswith("c: ")


@settings(max_examples=300)
@given(st.data())
def test_fuzz_bytes(data: st.DataObject) -> None:
    """Any bytes, and any damage to the sample, are read or refused likewise, in every format."""
    text = bytearray(SAMPLE.encode())
    if data.draw(st.booleans()):
        text = bytearray(data.draw(st.binary(max_size=200)))
    else:
        for _ in range(data.draw(st.integers(0, 4))):
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    decoder = data.draw(
        st.sampled_from([msgspec.json.decode, msgspec.yaml.decode, msgspec.toml.decode])
    )
    refusal = _refusal(bytes(text), decoder)
    assert not refusal or refusal.startswith("c: ")


@pytest.mark.soak
@settings(max_examples=10_000, deadline=None)
@given(_VALUES)
def test_fuzz_documents_long(document: Any) -> None:
    """The long form of the document fuzz."""
    refusal = _refusal(json.dumps(document).encode(), msgspec.json.decode)
    assert not refusal or refusal.startswith("c: ")
