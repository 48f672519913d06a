"""
Dual control: a public key is trusted once two administrators have approved it (12A).

The host's first request opens a challenge; two different administrators approve it at the console,
which then reveals the answer; the host's second request brings the answer and closes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Final

from keyferry.errors import ConfigurationError
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError
from keyferry.hsm.atalla.simulator.state import ChallengeRecord

WRONG_ANSWER: Final = "24"
NO_CHALLENGE: Final = "27"
ADMINISTRATORS: Final = 2
MOST_OPEN: Final = 64


class DualControl(StrEnum):
    """Who approves."""

    CONSOLE = "console"
    AUTO = "auto"  # nobody: a challenge is its own answer


class Challenges:
    """The open challenges of a device."""

    def __init__(
        self,
        records: list[ChallengeRecord],
        *,
        control: DualControl,
        minutes: int,
        now: Callable[[], datetime],
        save: Callable[[], None],
    ) -> None:
        self._records = records  # the device's memory itself
        self._control = control
        self._minutes = minutes
        self._now = now
        self._save = save

    def open(self, header: str, exponent: bytes, modulus: bytes) -> ChallengeRecord:
        """Return the challenge of a public key: the one that is open, or a new one."""
        self._forget_expired()
        record = self._find(header, exponent, modulus)
        if record is None:
            challenge = secrets.token_hex(8).upper()
            auto = self._control is DualControl.AUTO
            record = ChallengeRecord(
                header=header,
                exponent=exponent.hex(),
                modulus=modulus.hex(),
                challenge=challenge,
                answer=challenge if auto else secrets.token_hex(8).upper(),
                expires=self._now().timestamp() + 60 * self._minutes,
                administrators=["auto", "auto"] if auto else [],
            )
            # A host that opens challenges without end pushes its own oldest ones out.
            del self._records[: max(0, len(self._records) - MOST_OPEN + 1)]
            self._records.append(record)
            self._save()
        return record

    def redeem(self, header: str, exponent: bytes, modulus: bytes, answer: str) -> None:
        """Close a challenge with its answer; refused with 27 where none is open, else with 24."""
        self._forget_expired()
        record = self._find(header, exponent, modulus)
        if record is None:
            raise CommandRefusedError(NO_CHALLENGE, "answer")
        # Right or wrong, an answer ends the challenge: nobody gets to guess.
        self._records.remove(record)
        self._save()
        if not is_approved(record) or not compare_digest(record.answer, answer.upper()):
            raise CommandRefusedError(WRONG_ANSWER, "answer")

    def pending(self) -> tuple[ChallengeRecord, ...]:
        """Return the open challenges."""
        self._forget_expired()
        return tuple(self._records)

    def approve(self, challenge: str, administrators: list[str]) -> ChallengeRecord:
        """
        Note the approval of administrators, who are told apart by name.

        Raises:
            ConfigurationError: no such challenge is open, or an administrator has no name.
        """
        self._forget_expired()
        for record in self._records:
            if compare_digest(record.challenge.encode(), challenge.strip().upper().encode()):
                break
        else:
            raise ConfigurationError(
                f"no open challenge {challenge.strip()[:32]!r}",
                hint="it was answered, it expired, or it is another simulator's",
            )
        for name in administrators:
            if not name.strip():
                raise ConfigurationError("an administrator needs a name")
            if name not in record.administrators:
                record.administrators.append(name)
        self._save()
        return record

    def _find(self, header: str, exponent: bytes, modulus: bytes) -> ChallengeRecord | None:
        wanted = (header, exponent.hex(), modulus.hex())
        for record in self._records:
            if (record.header, record.exponent, record.modulus) == wanted:
                return record
        return None

    def _forget_expired(self) -> None:
        now = self._now().timestamp()
        if any(record.expires <= now for record in self._records):
            self._records[:] = [record for record in self._records if record.expires > now]
            self._save()


def is_approved(record: ChallengeRecord) -> bool:
    """Whether enough administrators have approved."""
    return len(record.administrators) >= ADMINISTRATORS
