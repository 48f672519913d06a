"""How a simulated command is refused."""

from __future__ import annotations

from keyferry.errors import HSMError


class CommandRefusedError(HSMError):
    """
    The device answers a command with an error.

    Args:
        error: two digits.
        field: the name of the field to blame; None: the whole command.
        at: the number shown for the field, where it is not the field's own.
    """

    def __init__(self, error: str, field: str | None = None, *, at: str | None = None) -> None:
        super().__init__(f"refused with error {error}")
        self.error = error
        self.field = field
        self.at = at
