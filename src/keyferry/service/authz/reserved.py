"""The account that is nobody's: it holds what the service needs of keys for itself."""

from __future__ import annotations

# Nobody has credentials of it, so what is in it is in no list, no quota and no rate of a user.
# Whatever goes through the keys of all accounts leaves it out.
CANARY_ACCOUNT = "000000000000"
