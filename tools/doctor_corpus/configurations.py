"""Broken configurations, written by hand."""

from __future__ import annotations

import json
from typing import Any

from doctor_corpus.case import Case, case

ABOUT = "configurations of an exchange, each wrong in one way"
VARIANT_KEY = "U42BBE7D9A0A55D0EBDE055DE2791ACCD"
APC: dict[str, Any] = {"apc": {"region": "us-east-2"}}


def _config(payshield: Any = None, **changes: Any) -> str:
    document = {"kdh": {"payshield": payshield or {}}, "krd": APC, **changes}
    return json.dumps(document, indent=2)


def cases() -> list[Case]:
    """Return the cases."""
    s_block = "S00072K1TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900"
    return [
        case("good", None, _config({"host": "10.0.0.1"}), ".json"),
        case(
            "good, in TOML",
            None,
            '[kdh.payshield]\nport = 1500\n[krd.apc]\nregion = "us-east-2"\n',
            ".toml",
        ),
        case("a comma missing", "configuration-syntax", '{"kdh": {} "krd": {}}', ".json"),
        case("a misspelt member", "configuration-member", _config({"hots": "10.0.0.1"}), ".json"),
        case("a port that is none", "configuration-value", _config({"port": 70000}), ".json"),
        case(
            "an LMK identifier without quotes",
            "configuration-value",
            _config({"key_block_lmk_identifier": 0}),
            ".json",
        ),
        case("no receiver", "configuration-parties", _config(krd={}), ".json"),
        case(
            "a CA file that is not there",
            "configuration-file",
            _config({"tls": {"ca_file": "/nowhere/ca.pem"}}),
            ".json",
        ),
        case(
            "TR-31 without a KEK",
            "configuration-kek",
            _config({"tr31": {"key_algorithm": "TDES_3KEY"}}),
            ".json",
        ),
        case(
            "ECDH under a variant LMK",
            "configuration-variant-lmk",
            _config({"variant_lmk": True, "ecdh": {"hash_algorithm": "SHA_256"}}),
            ".json",
        ),
        case(
            "a variant key under a key block LMK",
            "configuration-transport-key",
            _config({"tr34": {"transport_key": VARIANT_KEY}}),
            ".json",
        ),
        case(
            "a key block that was cut",
            "configuration-transport-key",
            _config({"tr34": {"transport_key": s_block[:-4]}}),
            ".json",
        ),
        case(
            "a check value without its key",
            "configuration-transport-key-kcv",
            _config({"tr34": {"transport_key_kcv": "08D7B4"}}),
            ".json",
        ),
        case(
            "AES_256 by TR-34",
            "configuration-tr34",
            _config({"tr34": {"key_algorithm": "AES_256"}}),
            ".json",
        ),
        case(
            "a working key as KEK",
            "configuration-kek",
            _config(
                {"tr31": {"kek": s_block.replace("K1", "P0")}},
                krd={"apc": {"region": "us-east-2", "tr31": {"kek": "alias/kek"}}},
            ),
            ".json",
        ),
        case(
            "a weaker derived key",
            "configuration-ecdh",
            _config({"ecdh": {"key_algorithm": "AES_256", "derive_key_algorithm": "AES_128"}}),
            ".json",
        ),
        case(
            "shared information too long for a payShield",
            "configuration-shared-info",
            _config({"ecdh": {"shared_info": "AB" * 60}}),
            ".json",
        ),
    ]
