"""
X9 TR-34 key tokens: RSA transport of one symmetric key from a KDH to a KRD.

`build_token` and `open_token` are the two sides. The smaller functions make the parts of a token,
for devices that hand out some of them and for whoever plays such a device.
"""

from keyferry.crypto.tr34.attributes import (
    SignedAttributes,
    build_signed_attributes,
    parse_signed_attributes,
)
from keyferry.crypto.tr34.building import build_token
from keyferry.crypto.tr34.credentials import issuer_and_serial, issuer_and_serial_of
from keyferry.crypto.tr34.envelope import (
    Envelope,
    assemble_envelope,
    build_enveloped_data,
    envelope_members,
    open_envelope,
    parse_envelope,
)
from keyferry.crypto.tr34.header import check_content_cipher, check_header, parse_header
from keyferry.crypto.tr34.key_block import KeyBlock, encode_key_block, parse_key_block
from keyferry.crypto.tr34.layouts import ContentCipher, Layout
from keyferry.crypto.tr34.opening import OpenedToken, open_token
from keyferry.crypto.tr34.token import UnverifiedToken, assemble_token, parse_token

__all__ = [
    "ContentCipher",
    "Envelope",
    "KeyBlock",
    "Layout",
    "OpenedToken",
    "SignedAttributes",
    "UnverifiedToken",
    "assemble_envelope",
    "assemble_token",
    "build_enveloped_data",
    "build_signed_attributes",
    "build_token",
    "check_content_cipher",
    "check_header",
    "encode_key_block",
    "envelope_members",
    "issuer_and_serial",
    "issuer_and_serial_of",
    "open_envelope",
    "open_token",
    "parse_envelope",
    "parse_header",
    "parse_key_block",
    "parse_signed_attributes",
    "parse_token",
]
