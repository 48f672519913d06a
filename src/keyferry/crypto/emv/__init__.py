"""The issuer's side of EMV: keys of cards and transactions, cryptograms, scripts."""

from keyferry.crypto.emv.cryptogram import arpc_method1, arpc_method2, generate_arqc, verify_arqc
from keyferry.crypto.emv.master_key import MasterKeyOption, derive_icc_master_key
from keyferry.crypto.emv.script import (
    EMV2000_FRAMING,
    MASTERCARD_FRAMING,
    VISA_FRAMING,
    PINChange,
    ScriptFraming,
    ScriptMode,
    encrypt_script_data,
    make_pin_change,
    script_mac,
    visa_pin_block,
)
from keyferry.crypto.emv.session_key import (
    common_diversifier,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_unionpay_session_key,
    derive_visa_script_key,
)

__all__ = [
    "EMV2000_FRAMING",
    "MASTERCARD_FRAMING",
    "VISA_FRAMING",
    "MasterKeyOption",
    "PINChange",
    "ScriptFraming",
    "ScriptMode",
    "arpc_method1",
    "arpc_method2",
    "common_diversifier",
    "derive_common_session_key",
    "derive_emv2000_session_key",
    "derive_icc_master_key",
    "derive_unionpay_session_key",
    "derive_visa_script_key",
    "encrypt_script_data",
    "generate_arqc",
    "make_pin_change",
    "script_mac",
    "verify_arqc",
    "visa_pin_block",
]
