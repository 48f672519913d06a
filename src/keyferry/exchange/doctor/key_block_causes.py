"""What can be wrong with a TR-31 key block, and why it usually is."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.examination import Cause

_COPY: Final = "copy the block again, whole and unwrapped"
_HEADER: Final = "have the sender export the key with a header of X9.143"

WHITE_SPACE: Final = Cause(
    "block-white-space",
    "a mail program or terminal broke the line",
    "join the lines: a key block has no blanks",
)
NOT_ASCII: Final = Cause(
    "block-characters",
    "a word processor replaced characters, or the file is binary or of another encoding",
    _COPY,
)
LOWER_CASE: Final = Cause(
    "block-lower-case",
    "a program lowered the letters; in the header they differ in meaning, and the MAC covers them",
    "use the block as the sender wrote it",
)
CUT_HEADER: Final = Cause("block-header-cut", "the text was cut within its first 16", _COPY)
UNKNOWN_VERSION: Final = Cause(
    "block-version",
    "the text is not a key block, or its first character was lost or changed",
    "take the text from the version letter on: A, B, C, D or E",
)
VENDOR_VERSION: Final = Cause(
    "block-vendor",
    "it is a key under the HSM's own master key, not one under a shared key",
    "export it from its HSM as TR-31: payShield A8 with scheme R",
)
LENGTH_FIELD: Final = Cause("block-length-field", "the header was typed or edited", _HEADER)
CUT: Final = Cause(
    "block-cut",
    "the end was lost: a short read, a column of fixed width, a line break",
    _COPY,
)
TOO_LONG: Final = Cause(
    "block-too-long", "something was copied along behind the block", "cut it off at its own length"
)
LENGTH_HEX: Final = Cause(
    "block-length-hex",
    "the sender wrote the length in hex; it is four decimal digits",
    "report it to its vendor; have the key exported again",
)
CHECK_VALUE_BEHIND: Final = Cause(
    "block-check-value-behind",
    "the check value behind the key in the HSM's answer (A9, A7) was copied along",
    "cut the block at the length in its header; keep the check value to compare",
)
USAGE_FIELD: Final = Cause("block-usage", "offset 5 was edited", _HEADER)
ALGORITHM_FIELD: Final = Cause("block-algorithm", "offset 7 was edited, or is a vendor's", _HEADER)
MODE_FIELD: Final = Cause("block-mode", "offset 8 was edited, or is a vendor's", _HEADER)
KEY_VERSION_FIELD: Final = Cause("block-key-version", "offset 9 was edited", _HEADER)
EXPORTABILITY_FIELD: Final = Cause("block-exportability", "offset 11 is not E, S or N", _HEADER)
COUNT_FIELD: Final = Cause("block-optional-count", "offset 12 is not two digits", _HEADER)
CONTEXT_FIELD: Final = Cause(
    "block-context", "offset 14 is a key context that the standard does not have", _HEADER
)
RESERVED_FIELD: Final = Cause(
    "block-reserved",
    "offset 15 must be 0; a payShield S block has its LMK identifier here",
    "export the key as TR-31 rather than editing an S block",
)
OPTIONAL_ALIGNMENT: Final = Cause(
    "block-optional-padding",
    "the sender left out the PB block that fills up to whole cipher blocks",
    "have the sender add PB, or export without optional blocks",
)
OPTIONAL_LENGTH: Final = Cause(
    "block-optional-length",
    "the length of an optional block is wrong, counts bytes instead of characters, or leaves out"
    " its own four characters",
    "have the sender count id, length and data, in hex",
)
OPTIONAL_EXTENDED: Final = Cause(
    "block-optional-extended-length",
    "the length of a long optional block is written another way than 00, 04 and four digits",
    "have the sender write extended lengths as X9.143 examples 8.5 and 8.6 do",
)
OPTIONAL_REPEATED: Final = Cause(
    "block-optional-repeated", "the sender wrote one optional block twice", "each id may stand once"
)
OPTIONAL_AFTER_PADDING: Final = Cause(
    "block-optional-order", "an optional block was added behind the padding", "PB must be the last"
)
OPTIONAL_ID: Final = Cause(
    "block-optional-id",
    "the count is too high, or a length before is wrong, so that data are read as an id",
    "compare the count at offset 12 with the blocks that are there",
)
OPTIONAL_DATA: Final = Cause(
    "block-optional-data",
    "the sender wrote an optional block in a form of its own",
    "have the sender write the data as X9.143 says, or leave the block out",
)
BODY_NOT_HEX: Final = Cause(
    "block-not-hex", "characters were misread (O for 0) or the text is damaged", _COPY
)
BODY_SIZE: Final = Cause(
    "block-size",
    "characters were lost and the length corrected, or the version letter is another's",
    "have the sender export the key again",
)
KBPK_SIZE: Final = Cause(
    "kbpk-size",
    "a single component, single DES, or not the whole key was given",
    "combine the components (XOR) and give the whole key",
)
KBPK_CIPHER: Final = Cause(
    "kbpk-cipher",
    "versions A, B and C are under TDES keys, D and E under AES keys",
    "have the sender export version D under the AES key, or give the TDES key",
)
KBPK_DIFFERS: Final = Cause(
    "kbpk",
    "sender and receiver use different keys under one name",
    "agree on one KEK by its check value; exchange it anew by TR-34 if need be",
)
KBPK_FORM: Final = Cause(
    "kbpk-form",
    "K1K2 and K1K2K1 encipher alike, but a block's keys are derived from the length too",
    "use the KBPK in the length its sender uses it in",
)
KBPK_SWAPPED: Final = Cause(
    "kbpk-halves", "the halves of the KBPK were entered in the wrong order", "exchange them"
)
ALTERED: Final = Cause(
    "block-altered",
    "the KBPK is right, so the block was changed after it was made: an edited header is enough",
    "use the block exactly as exported; change attributes at the sender, never in the text",
)
WRONG_MAC: Final = Cause(
    "block-mac",
    "it was wrapped under another KBPK, or changed; the block does not tell which",
    "compare the check value of the KBPK on both sides (--kbpk-kcv); if equal, export again",
)
KEY_LENGTH: Final = Cause(
    "block-key-length", "the sender wrote a wrong length before the key", "report it to its vendor"
)
USAGE_NOT_IN_API: Final = Cause(
    "usage-not-in-api",
    "the key is of a usage the service does not hold (B1, D3, K4, M8, V0, a vendor's number)",
    "export it under a usage the service has, where its purpose allows",
)
COMPONENT: Final = Cause(
    "key-component", "a component was exported, not the key", "form the key in the HSM, export that"
)
ALGORITHM_NOT_IN_API: Final = Cause(
    "algorithm-not-in-api",
    "single DES, or an asymmetric private key",
    "replace the key by one of TDES, AES or HMAC",
)
NO_HMAC_HASH: Final = Cause(
    "hmac-hash", "the sender left out the HM block", "export with HM 20, 21, 22 or 23"
)
MODE_FOR_USAGE: Final = Cause(
    "mode-for-usage",
    "HSMs allow combinations of usage and mode that the standard and the service do not",
    "export with a mode of the usage: B, D, E for wrapping and PINs, C, G, V for card values and"
    " MACs, X for derivation, or N",
)
ALGORITHM_FOR_USAGE: Final = Cause(
    "algorithm-for-usage",
    "the service does not hold keys of this algorithm for this usage",
    "choose the usage for the algorithm, as M6 for AES MAC keys",
)
WEAK_TDES: Final = Cause(
    "degenerate-tdes-key",
    "two parts are equal, so that it is single DES in disguise (an old single-length key, or a"
    " test key)",
    "generate a new key of full strength",
)
KEY_SIZE: Final = Cause(
    "key-size",
    "the header's algorithm and the length of the key disagree",
    "have the sender correct the algorithm of the key",
)
WEAK_KBPK: Final = Cause(
    "weak-kbpk",
    "a key must not travel under a weaker one",
    "establish a stronger KEK: AES_256 by ECDH, AES_128 by TR-34 under RSA_3072",
)
VERSION_E: Final = Cause(
    "version-not-in-api",
    "version E is ISO 20038, which the API does not import",
    "export version D",
)
CONTEXT_NOT_IN_API: Final = Cause(
    "context-not-in-api",
    "the sender marks keys as for storage or exchange only (X9.143-2021)",
    "export with key context 0",
)
CHARACTERS_NOT_IN_API: Final = Cause(
    "characters-not-in-api",
    "a time with dashes, a label with blanks, or a certificate in base64",
    "export without the optional blocks TS, TC, LB, CT",
)
SIZE_NOT_IN_API: Final = Cause(
    "size-not-in-api", "the block is too long or too short", "export with fewer optional blocks"
)
