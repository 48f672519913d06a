"""payShield error codes: why they come during an exchange, and what helps."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.explanations import replay
from keyferry.exchange.doctor.explanations.explanation import Advice
from keyferry.hsm.payshield.refusals import MASKED_IN_RECORDING, NOT_IN_RECORDING

_NOT_THIS_LMK: Final = (
    "the key was wrapped by another LMK, is of another key type than the command says, or was"
    " altered"
)
_LICENCE: Final = "the licence package of the device lacks it"
_OPTIONAL: Final = (
    "an optional block of the header has a form, a length or an order the device does not take",
    "leave the optional blocks out, or write them as the command's table says",
)
_RSA_IMPORT: Final = "the RSA-wrapped block was made with other parameters than the command states"
_PIN: Final = "the PIN block does not decrypt to what its format demands: wrong key, format or PAN"

ADVICE: Final[Advice] = {
    "00": ("the command did what it was asked", "nothing is to be done"),
    "01": (
        "a verification failed; after an import (A7, FB) it is a warning: the key had bad parity"
        " and was corrected",
        "after an import go on, and compare check values; else compare key and data with the"
        " other side's",
    ),
    "02": ("a key is longer or shorter than the command takes", "use a key of the command's size"),
    "04": ("the two-digit key type does not exist (BU, BW)", "use FF and a three-digit type"),
    "05": (
        "the length flag does not fit the key (BU, BW)",
        "write 0, 1, 2 by the key's length, F for a key block",
    ),
    "10": (
        f"the first key does not decrypt to odd parity: {_NOT_THIS_LMK}",
        "name the LMK (%nn) and the key type the key was made under; ask BU for its check value",
    ),
    "11": (
        f"the second key does not decrypt to odd parity, or is all zeros: {_NOT_THIS_LMK}",
        "check the second key of the command as for error 10",
    ),
    "12": ("a K reference points to an empty place", "load it, or give the key itself"),
    "13": (
        "no LMK of this identifier is loaded, or the port belongs to another one",
        "correct key_block_lmk_identifier or variant_lmk_identifier; ask JK which are loaded",
    ),
    "14": ("a PIN under LMK 02-03 belongs to another account or LMK", "give the PIN's own account"),
    "15": (
        "a field is missing, too long, or has a character it does not take; `%` needs two digits",
        "compare the command field by field with its table; watch binary fields and their lengths",
    ),
    "17": (
        "an activity is not authorised, or a security setting forbids it (export in an untrusted"
        " form, B8, IG without eckai.K1.host)",
        "authorise it at the console: generate, export or import of the key usage, .host;"
        " eckai.K1.host for ECDH",
    ),
    "20": (_PIN, "compare PIN key, format code and account number on both sides"),
    "21": ("a K reference is out of range", "use 000 to FFF"),
    "22": ("the account number is not 12 digits of this card", "give the 12 right-most but one"),
    "23": ("the format code is unknown, or a PCI setting forbids it", "use 01, 47 or 48"),
    "24": (_PIN, "compare PIN key, format code and account number on both sides"),
    "25": ("the table has too few different digits, or is not under the LMK", "load it anew"),
    "26": (
        "the scheme letter is unknown, or not allowed here: X and Y need X9.17 enabled, S needs a"
        " key block LMK, U and T a variant one",
        "use S under a key block LMK, U or T under a variant LMK, R for export as TR-31",
    ),
    "27": ("a key of a pair is not double length", "give double length keys (CVK, BDK, PVK)"),
    "28": (
        "the three-digit key type is unknown or not for this command",
        "use the type of the key: 000 ZMK, 001 ZPK, 009 BDK, 402 CVK; FFF for a key block",
    ),
    "29": (
        "a security setting or the key's usage forbids this function",
        "review `key export and import in trusted format only`, and export as TR-31 (scheme R)",
    ),
    "32": (_LICENCE + ": AES", "install the AES licence"),
    "33": ("BW wants the old LMK, and none is loaded", "load it into key change storage"),
    "39": ("too many PIN verifications failed", "have the security officer reset fraud detection"),
    "40": ("stored data are damaged", "load them anew"),
    "41": ("the device failed inside", "try again once; then look at its health (J8, JK)"),
    "42": ("the device failed inside", "try again once; then look at its health (J8, JK)"),
    "43": ("key generation found no primes in time", "try again"),
    "47": (_LICENCE, "ask NO and the console for the licences; ECC, AES and TR-34 are separate"),
    "48": (
        "the LMK is weaker than the key: AES or large RSA keys under a TDES LMK",
        "use an AES key block LMK (JK shows algorithm 2)",
    ),
    "49": (
        "the private key does not open: another LMK, or bytes were lost on the way",
        "keep the private key as bytes: under a key block LMK its S block is binary",
    ),
    "51": ("the message header has another length than configured", "compare with console CH"),
    "65": ("the transaction key scheme is none", "enable it, or use another command"),
    "67": (_LICENCE + " for this command", "install the licence; EI, FY, B8 have their own"),
    "68": (
        "the command is switched off",
        "switch it on at the console: CONFIGCMDS +H and its code; the flows need EI, A0, A8, B8,"
        " FY, IG, BU",
    ),
    "69": ("the PIN block format is switched off", "switch it on, or use another"),
    "74": ("with `no hash` the data must be a DigestInfo", "choose a hash instead of 04"),
    "75": ("the halves of the key are equal: single DES in disguise", "generate a new key"),
    "76": (
        "the RSA public key has another length or encoding than the command takes",
        "give DER, PKCS #1 RSAPublicKey, encoding 02, as the certificate's BIT STRING holds it",
    ),
    "77": (_RSA_IMPORT, "export again for the public key whose private key is given"),
    "78": (
        "the length before the private key does not fit it",
        "write FFFF under a key block LMK, else its bytes in four digits",
    ),
    "79": (_RSA_IMPORT + ": the hash", "state the hash that was used"),
    "80": (
        "the stated length of the data does not fit them",
        "count bytes, in the base the command's table says (B2 is hexadecimal)",
    ),
    "81": (_RSA_IMPORT, "compare with the command's table"),
    "82": ("the check value has a length the command does not take", "use 6 digits"),
    "83": (_RSA_IMPORT, "compare with the command's table"),
    "84": ("the key has another check value than stated", "compare check values with the sender"),
    "85": (_RSA_IMPORT + ": the mask", "use MGF1 with SHA-256"),
    "86": (_RSA_IMPORT + ": the mask's hash", "use MGF1 with SHA-256"),
    "87": (_RSA_IMPORT + ": the label", "use an empty label"),
    "A1": (
        "a variant key (U, T) was given to a key block LMK, or an S block to a variant LMK",
        "set variant_lmk by the LMK the key is under; BW turns variant keys into key blocks",
    ),
    "A2": ("two keys of the command are under different LMKs", "use keys of one LMK"),
    "A3": (
        "the LMK identifier in the key block is not that of the command or port",
        "name the LMK of the key (%nn), the last two characters of its S header",
    ),
    "A4": (
        f"{_NOT_THIS_LMK}; for an R block: another KEK",
        "use the block as it was given; for TR-31 compare the check value of the KEK on both sides",
    ),
    "A5": (
        "the key is longer than its wrapping key allows",
        "wrap it under one at least as strong: an AES KEK for AES keys",
    ),
    "A6": (
        "the usage in the block does not fit the command, as a B0 key given as KEK",
        "use a key of the command's usage: K0, K1 or 52 wrap others",
    ),
    "A7": ("the algorithm in the header does not fit the command", "check header offset 7"),
    "A8": (
        "the mode of use in the block forbids this: a KEK that exports needs B, E or N",
        "use a key with that mode, or generate one: #K1T3N00E00",
    ),
    "A9": ("the key version in the header is not taken", "write 00"),
    "AA": (
        "the key's exportability forbids it (N), or the letter is unknown",
        "use a key generated with E or S; nobody can make an N key exportable afterwards",
    ),
    **dict.fromkeys(("AB", "AC", "AD", "AE", "AF", "B3", "B4", "BC", "BE"), _OPTIONAL),
    "B2": (
        "the block's length field is not its length: the block was cut or something follows it",
        "give the whole block; the scheme letter S or R does not count",
    ),
    "B5": ("components of different keys or headers were combined (A4)", "use one set"),
    "BA": ("the block has no key status block", "leave the status out of the command"),
    "BB": (
        "the wrapping key's usage or mode does not allow it to wrap",
        "use a key of usage K0, K1 (TR-31) or 52, mode B, E (out), D (in) or N",
    ),
    "BD": ("keys of different types were given where one kind is wanted", "use one kind"),
    "D2": ("the curve is unknown or not licensed", "use 00, 01 or 02: P-256, P-384, P-521"),
    "D3": ("the encoding of the public key is not the one for its kind", "use 03 for EC keys"),
    "E0": ("FY knows only version 01", "write FY01"),
    NOT_IN_RECORDING: replay.NOT_IN_RECORDING,
    MASKED_IN_RECORDING: replay.MASKED_IN_RECORDING,
}

GENERAL: Final = (
    "no exchange meets this code; another command's meaning may be its own",
    "look it up in the host command manual of the device's firmware",
)
