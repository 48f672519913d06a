"""
Card values, MACs and PIN blocks of an Atalla: what a migrated key is proven with.

What the HSM makes under its copy of a key, the receiver verifies under its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from keyferry.errors import HSMFrameError
from keyferry.hsm.atalla.client import HostClient


class PaymentClient(HostClient):
    """A client with typed methods for payment data."""

    async def generate_cvv(self, *, key: str, pan: str, expiry: str, service_code: str) -> str:
        """Return the card verification value, 3 digits (5D)."""
        data = {"algorithm": "3", "kcvv": key, "card_data": pan + expiry + service_code}
        return (await self.call("5D", data)).text("new_cvv")[:3]

    async def generate_mac(self, *, key: str, data: bytes, algorithm: str = "3") -> bytes:
        """
        Return a MAC of 8 bytes (98).

        Args:
            key: AKB of a MAC key.
            data: at least one byte; zeros fill it up to whole blocks.
            algorithm: of ISO 9797-1: `1` or `3`.
        """
        values: Mapping[str, object] = {
            "mac_key": key,
            "algorithm": algorithm,
            "mac_option": "7",
            "data_form": "U",
            "length": 2 * len(data),
            "data": data,
            "trailer": "18",
        }
        text = (await self.call("98", values)).text("new_mac").replace(" ", "")
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise HSMFrameError("98 answered with no MAC", field="new_mac") from error

    async def encrypt_pin(self, *, key: str, pin: str, pan: str) -> bytes:
        """Return an ISO format 0 PIN block (30); `pan` with its check digit."""
        values = {"kpe": key, "pin": pin, "pan12": _twelve(pan)}
        return (await self.call("30", values)).raw("new_block")

    async def translate_pin(
        self, block: bytes, *, incoming_key: str, outgoing_key: str, pan: str
    ) -> bytes:
        """
        Bring a PIN block under another key (31); `pan` with its check digit.

        Raises:
            HSMFrameError: the block does not open under the incoming key.
        """
        values = await self.call(
            "31",
            {
                "block_type": "1",
                "kpe_in": incoming_key,
                "kpe_out": outgoing_key,
                "block": block,
                "pan12": _twelve(pan),
            },
        )
        if values.text("sanity") != "Y" or values.get("new_block") is None:
            raise HSMFrameError("31: the PIN block does not open", field="block")
        return values.raw("new_block")


def _twelve(pan: str) -> str:
    """Return the twelve digits before the check digit."""
    return pan[:-1][-12:].rjust(12, "0")
