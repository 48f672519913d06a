"""
What stands between a simulator's host port and its device, for all vendors: faults on purpose,
recordings, and replay of a recording. A vendor says how its messages are read: `Traffic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Traffic(Protocol):
    """How the messages of one vendor are told apart, answered and masked."""

    def check_error_code(self, code: str) -> None:
        """
        Accept a code that `error_answer` can put into an answer.

        Raises:
            ConfigurationError: the family has no such codes; says what they look like.
        """

    def error_answer(self, message: bytes, code: str) -> bytes:
        """
        Return the answer by which a device refuses a message with an error code.

        Raises:
            HSMFrameError: the message has no answer.
        """

    def replay_refusal(self, message: bytes, *, masked: bool, field: str | None) -> bytes:
        """
        Return the error answer by which a replay says that it cannot answer a message.

        Args:
            message: the request.
            masked: the recording has an answer, but its secrets are gone; else it has none.
            field: name of the first field in which the request is not one that was recorded.

        Raises:
            HSMFrameError: the message has no answer.
        """

    def fields(self, request: bytes) -> Mapping[str, bytes]:
        """Return the fields of a masked request by name; nothing where it was masked whole."""

    def masked_request(self, message: bytes) -> bytes:
        """Return a request whose secret fields, and what names only this message, are masked."""

    def masked_answer(self, message: bytes, answer: bytes) -> bytes:
        """Return an answer whose secret fields are masked; `message` is the request it is to."""

    def adapted_answer(self, message: bytes, answer: bytes) -> bytes:
        """Return a recorded answer as one to this message: what correlates the two is put in."""

    def command(self, message: bytes) -> str:
        """Return what the message asks for, to say it in errors and logs."""


MASK = b"*"
"""What stands for each byte of a masked field. No field of any vendor holds it."""
