"""
Access keys: who may sign requests, with which secret.

The credentials file is TOML with one `[[access_key]]` table per key: `id`, `secret`, `account`
(12 digits) and `principal` (a user name, or the whole ARN of an IAM principal of that account);
`role` may be `user` (the default), `admin` (may also administer the service) or `peer` (another
service signs the replication between Regions with it).
Only its owner may read it: mode 0600 or stricter.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keyferry.crypto.secret import Secret
from keyferry.errors import ConfigurationError
from keyferry.service.authz.principal import Principal, Role
from keyferry.service.authz.reserved import CANARY_ACCOUNT

DEV_ACCOUNT = "111122223333"
DEV_ACCESS_KEY = "test"

_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_USER_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
_PRINCIPAL_ARN = re.compile(
    r"arn:aws:(?:iam|sts)::(?P<account>[0-9]{12}):(?P<resource>[A-Za-z0-9+=,.@_/-]{1,512}|root)"
)
CREDENTIALS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """One access key and its owner."""

    principal: Principal
    secret: Secret


class AccessKeys:
    """
    The access keys of a service, by id.

    `session_tokens` says whether a request may carry a security token beside a static key: our
    keys have none, so one that comes along belongs to other credentials. Development mode lets it
    pass, as a shell often has one left over.
    """

    def __init__(self, keys: Iterable[AccessKey], *, session_tokens: bool = False) -> None:
        self._keys: dict[str, AccessKey] = {}
        self.session_tokens = session_tokens
        for key in keys:
            self.add(key)

    def add(self, key: AccessKey) -> None:
        """Know one more key; ConfigurationError if there is one of its id."""
        key_id = key.principal.access_key_id
        if key_id in self._keys:
            raise ConfigurationError(f"access key {key_id} is listed twice")
        self._keys[key_id] = key

    def get(self, access_key_id: str) -> AccessKey | None:
        return self._keys.get(access_key_id)

    def first(self, role: Role) -> AccessKey | None:
        """The first key that was listed with a role; None if there is none."""
        return next((key for key in self._keys.values() if role in key.principal.roles), None)

    def __len__(self) -> int:
        return len(self._keys)


def development_keys() -> AccessKeys:
    """The one access key of `--dev`: test, with the secret test."""
    return AccessKeys(
        [
            access_key(
                DEV_ACCESS_KEY,
                DEV_ACCESS_KEY,
                account=DEV_ACCOUNT,
                principal="test",
                roles=frozenset(Role),
            )
        ],
        session_tokens=True,
    )


def access_key(
    key_id: str,
    secret: str,
    *,
    account: str,
    principal: str,
    roles: frozenset[Role] = frozenset({Role.USER}),
) -> AccessKey:
    """
    Make an access key from what a credentials file holds.

    Raises:
        ConfigurationError: a member does not have its form; the secret is never repeated.
    """
    if _ACCESS_KEY_ID.fullmatch(key_id) is None:
        raise ConfigurationError("id: expected 1 to 128 letters, digits, _ or -")
    if not secret:
        raise ConfigurationError("secret: expected at least one character")
    if _ACCOUNT.fullmatch(account) is None:
        raise ConfigurationError("account: expected 12 digits")
    if account == CANARY_ACCOUNT:
        raise ConfigurationError(f"account: {account} is reserved for the service itself")
    if _USER_NAME.fullmatch(principal):
        name, arn = principal, f"arn:aws:iam::{account}:user/{principal}"
    else:
        match = _PRINCIPAL_ARN.fullmatch(principal)
        if match is None:
            raise ConfigurationError("principal: expected a user name or the ARN of a principal")
        if match["account"] != account:
            raise ConfigurationError(f"principal: expected an ARN of account {account}")
        name, arn = match["resource"].rpartition("/")[2], principal
    owner = Principal(access_key_id=key_id, account=account, arn=arn, name=name, roles=roles)
    return AccessKey(principal=owner, secret=Secret(secret.encode()))


class _AccessKeyTable(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    secret: str
    account: str
    principal: str
    role: Role = Role.USER

    def __repr__(self) -> str:
        return f"<access key {self.id}>"


class _CredentialsFile(msgspec.Struct, forbid_unknown_fields=True):
    access_key: list[_AccessKeyTable]


def read_credentials(path: Path) -> AccessKeys:
    """
    Read a credentials file.

    Raises:
        ConfigurationError: unreadable, open to others, not TOML of this form, or with a duplicate.
    """
    try:
        with path.open("rb") as file:
            # The mode of what was opened, not of what the name meant a moment before.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(CREDENTIALS_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"credentials file {path}: {error.strerror}") from None
    if mode & 0o077:
        raise ConfigurationError(
            f"credentials file {path} has mode {mode:04o}: others can read it",
            hint=f"chmod 600 {path}",
        )
    if len(content) > CREDENTIALS_BYTES:
        raise ConfigurationError(f"credentials file {path} is larger than 1 MiB")
    try:
        document = msgspec.toml.decode(content, type=_CredentialsFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Of a syntax error only the place is told: its words may repeat a piece of a secret.
        place = re.search(r"at line \d+, column \d+", str(error))
        if isinstance(error, msgspec.ValidationError):
            reason = str(error)
        else:
            reason = f"not TOML{f' ({place[0]})' if place else ''}"
        raise ConfigurationError(f"credentials file {path}: {reason}") from None
    keys: list[AccessKey] = []
    for position, table in enumerate(document.access_key):
        try:
            keys.append(
                access_key(
                    table.id,
                    table.secret,
                    account=table.account,
                    principal=table.principal,
                    roles=frozenset({table.role}),
                )
            )
        except ConfigurationError as error:
            raise ConfigurationError(
                f"credentials file {path}, access_key[{position}].{error}"
            ) from None
    if not keys:
        raise ConfigurationError(f"credentials file {path} holds no [[access_key]]")
    try:
        return AccessKeys(keys)
    except ConfigurationError as error:
        raise ConfigurationError(f"credentials file {path}: {error}") from None
