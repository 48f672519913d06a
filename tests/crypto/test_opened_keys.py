"""Handles of opened keys keep what they opened."""

from __future__ import annotations

import copy
import pickle

import pytest

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.mac import HMACKey
from keyferry.crypto.secret import Secret
from keyferry.crypto.tdes_key import TDESKey

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@pytest.mark.parametrize(
    "handle",
    [
        Secret(KEY),
        CipherKey(Cipher.AES, KEY),
        TDESKey(KEY),
        KBPK(Cipher.AES, KEY),
        HMACKey(KEY, "SHA256"),
        TDESBDK(KEY),
        AESBDK(KEY),
    ],
    ids=lambda handle: type(handle).__name__,
)
def test_an_opened_key_neither_pickles_nor_prints(handle: object) -> None:
    """A key must not leave the process by accident: not by pickle, copy or repr."""
    with pytest.raises(TypeError):
        pickle.dumps(handle)
    with pytest.raises(TypeError):
        copy.deepcopy(handle)
    shown = repr(handle).upper()
    assert KEY.hex().upper() not in shown
    assert repr(KEY).upper() not in shown
