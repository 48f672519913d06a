"""Who signed a request, and what an access key is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an access key is for, as `role` in the credentials file says."""

    USER = "user"  # the API, for its own account
    ADMIN = "admin"  # that, and the service itself: its Regions, keys of all accounts included
    PEER = "peer"  # another service, for the replication between Regions


_PEER_ALONE = frozenset({Role.PEER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The owner of an access key. The key of development mode has every role."""

    access_key_id: str
    account: str  # 12 digits
    arn: str  # arn:aws:iam::<account>:user/<name>
    name: str
    roles: frozenset[Role] = frozenset({Role.USER})

    @property
    def may_use_api(self) -> bool:
        """Whether the AWS API is open to it: to everybody but a key that is for peers alone."""
        return self.roles != _PEER_ALONE

    @property
    def may_administer(self) -> bool:
        """Whether what concerns the whole service is open to it."""
        return Role.ADMIN in self.roles

    @property
    def may_replicate(self) -> bool:
        """Whether it may bring changes of keys from another Region."""
        return Role.PEER in self.roles
