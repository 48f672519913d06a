"""What a data operation gets beside its request."""

from __future__ import annotations

import time
from datetime import datetime

from keyferry.service.authz.principal import Principal
from keyferry.service.context import Offload
from keyferry.service.data.eligibility import Role, check_eligible
from keyferry.service.opened_keys import OpenedKey, OpenedKeys
from keyferry.service.rules import STRICT, Rules
from keyferry.service.throttle import RequestThrottle


class DataContext:
    """
    One call of the data plane: who asks, where, when, and the opened keys of the Region.

    A plain class with slots, not a frozen dataclass: one is made for every request, and freezing
    would cost as much as finding the key.
    """

    __slots__ = (
        "_asymmetric_throttle",
        "_counted_as_asymmetric",
        "_keys",
        "account",
        "action",
        "now",
        "offload",
        "principal",
        "region",
        "rules",
    )

    def __init__(
        self,
        *,
        region: str,
        principal: Principal,
        action: str,
        now: datetime,
        keys: OpenedKeys,
        offload: Offload,
        asymmetric_throttle: RequestThrottle,
        rules: Rules = STRICT,
    ) -> None:
        """
        Args:
            action: name of the operation.
            now: UTC, the one clock reading of this call.
            offload: runs slow work that releases the GIL off the event loop.
            asymmetric_throttle: counts the call if it uses an asymmetric key.
            rules: what the owner set otherwise.
        """
        self.region = region
        self.principal = principal
        self.account = principal.account
        self.action = action
        self.now = now
        self.offload = offload
        self.rules = rules
        keys.refresh()
        self._keys = keys
        self._asymmetric_throttle = asymmetric_throttle
        self._counted_as_asymmetric = False

    def find(self, identifier: str) -> OpenedKey:
        """
        Return the key an identifier names, in whatever state it is.

        All keys of a request are found before any of them is judged (`require`), so that a caller
        learns of an unknown one first, whatever the others are.

        Raises:
            ResourceNotFoundError, AccessDeniedError: as `OpenedKeys.find`.
        """
        return self._keys.find(self, identifier, action=self.action)

    def require(self, key: OpenedKey, role: Role) -> OpenedKey:
        """
        Return `key` if it may serve in `role` of this operation.

        Raises:
            InvalidRequestError: it is not complete and enabled, or its usage, modes of use or
                algorithm are not of the role's.
            ThrottledError: the key is asymmetric, and the account used such keys too often.
        """
        if role not in key.roles:
            key.require_usable()
            check_eligible(key.profile, role)
            key.roles.add(role)
        if role.is_asymmetric and not self._counted_as_asymmetric:
            self._counted_as_asymmetric = True
            self._asymmetric_throttle.check(self.account, self.region, now=time.perf_counter())
        return key
