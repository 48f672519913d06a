"""What a role opens, and what it does not."""

from __future__ import annotations

from keyferry.service.authz.principal import Principal
from keyferry.service.errors import AccessDeniedError

AWS_API = "payment-cryptography"


def check_api_role(principal: Principal, operation: str, *, service: str = AWS_API) -> None:
    """
    Refuse a key that is for peers alone: it lies on machines of other Regions, and opens there what
    they need, which is to bring changes of keys, and nothing of any account.

    Args:
        operation, service: what was asked, as a policy would name it.

    Raises:
        AccessDeniedError: the access key has no role but that of a peer.
    """
    if not principal.may_use_api:
        raise AccessDeniedError(
            f"{principal.arn} is not authorized to perform {service}:{operation}:"
            " its access key is for replication between Regions",
            hint="use an access key of a user or an administrator",
        )
